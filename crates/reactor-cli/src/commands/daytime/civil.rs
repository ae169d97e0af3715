//! Dates and times as people write them, in UTC.

use std::fmt;

const SECONDS_PER_DAY: u64 = 86_400;
/// Days in 400 years of the Gregorian calendar, after which it repeats.
const DAYS_PER_ERA: u64 = 146_097;
/// From 1 March 0000 to 1 January 1970.
const DAYS_BEFORE_1970: u64 = 719_468;

const WEEKDAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
/// From March on, so that the leap day is a year's last.
const MONTHS: [&str; 12] = [
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
    "January",
    "February",
];

/// A second of the calendar, in UTC.
///
/// It is written the first way that RFC 867 suggests: `Tuesday, February 22, 1982 17:37:43-UTC`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Civil {
    weekday: &'static str,
    year: u64,
    month: &'static str,
    day: u64,
    second_of_day: u64,
}

impl Civil {
    /// Makes one from the seconds since the beginning of 1970.
    ///
    /// The year is counted from March, as in Howard Hinnant's "chrono-compatible low-level date
    /// algorithms": months then begin at days that a line through them gives, and leap days do not
    /// disturb.
    pub(super) fn from_unix_seconds(seconds: u64) -> Self {
        let days = seconds / SECONDS_PER_DAY;
        let shifted = days + DAYS_BEFORE_1970;
        let (era, day_of_era) = (shifted / DAYS_PER_ERA, shifted % DAYS_PER_ERA);
        let leap_days = day_of_era / 1_460 - day_of_era / 36_524 + day_of_era / 146_096;
        let year_of_era = (day_of_era - leap_days) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month + 2) / 5 + 1;
        // January and February belong to the year before, counted from March.
        let year = 400 * era + year_of_era + u64::from(month >= 10);
        Self {
            // 1 January 1970 was a Thursday.
            weekday: nth(&WEEKDAYS, days + 4),
            year,
            month: nth(&MONTHS, month),
            day,
            second_of_day: seconds % SECONDS_PER_DAY,
        }
    }
}

/// Returns a name by its number, counted in a circle.
fn nth<const N: usize>(names: &[&'static str; N], number: u64) -> &'static str {
    let index = usize::try_from(number % names.len() as u64);
    names[index.expect("invariant: less than the number of names")]
}

impl fmt::Display for Civil {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { weekday, year, month, day, second_of_day } = self;
        let (hour, minute) = (second_of_day / 3600, second_of_day / 60 % 60);
        let second = second_of_day % 60;
        write!(f, "{weekday}, {month} {day}, {year} {hour:02}:{minute:02}:{second:02}-UTC")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_seconds_have_known_dates() {
        // From `date -u -d @N`.
        for (seconds, text) in [
            (0, "Thursday, January 1, 1970 00:00:00-UTC"),
            (951_782_400, "Tuesday, February 29, 2000 00:00:00-UTC"),
            (951_868_799, "Tuesday, February 29, 2000 23:59:59-UTC"),
            (951_868_800, "Wednesday, March 1, 2000 00:00:00-UTC"),
            (1_000_000_000, "Sunday, September 9, 2001 01:46:40-UTC"),
            (1_735_689_599, "Tuesday, December 31, 2024 23:59:59-UTC"),
            (1_735_689_600, "Wednesday, January 1, 2025 00:00:00-UTC"),
            (4_107_542_399, "Sunday, February 28, 2100 23:59:59-UTC"),
            (4_107_542_400, "Monday, March 1, 2100 00:00:00-UTC"),
        ] {
            assert_eq!(Civil::from_unix_seconds(seconds).to_string(), text);
        }
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let (mut day, mut month) = (1, "January");
        for days in 1..40_000 {
            let civil = Civil::from_unix_seconds(days * SECONDS_PER_DAY);
            let next_month = civil.day == 1 && civil.month != month && day >= 28;
            assert!(next_month || (civil.day == day + 1 && civil.month == month), "{civil}");
            (day, month) = (civil.day, civil.month);
        }
    }
}
