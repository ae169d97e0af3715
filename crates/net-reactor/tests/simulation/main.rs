//! Programs of a user's kind, tested as a user would test them.

mod week;
