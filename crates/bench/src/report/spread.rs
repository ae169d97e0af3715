//! Several readings of one figure.

/// The readings' median, or NaN without any.
pub(crate) fn median(readings: impl IntoIterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = readings.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// From the least to the greatest reading, in percent of the median.
pub(crate) fn spread_percent(readings: impl IntoIterator<Item = f64>) -> f64 {
    let readings: Vec<f64> = readings.into_iter().collect();
    let least = readings.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = readings.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    100.0 * (greatest - least) / median(readings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median([]).is_nan());
    }

    #[test]
    fn the_spread_is_relative() {
        assert_eq!(spread_percent([9.0, 10.0, 11.0]), 20.0);
    }
}
