//! The checks, one file each.

pub mod architecture;
pub mod blobs;
pub mod commented_code;
pub mod examples_index;
pub mod file_length;
pub mod headings;
pub mod layers;
pub mod links;
pub mod machine_paths;
pub mod marks;
pub mod msrv;
pub mod named_tests;
pub mod seed_tests;
pub mod sleeps;
