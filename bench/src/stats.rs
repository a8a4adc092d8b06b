//! Medians and percentiles.

/// The value that this share of all values does not exceed (nearest rank); 0 for no values.
pub(crate) fn percentile(sorted: &[f64], share: f64) -> f64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a rank")]
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

/// The middle value, or the mean of the two middle values; 0 for no values.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut sorted: Vec<_> = values.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() % 2 {
        _ if sorted.is_empty() => 0.0,
        1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_and_middles() {
        let hundred: Vec<_> = (1..=100).map(f64::from).collect();
        let found = [0.5, 0.99, 1.0, 0.001].map(|share| percentile(&hundred, share));
        assert_eq!(found.map(|value| value.to_string()), ["50", "99", "100", "1"]);
        assert_eq!(percentile(&[7.0], 0.99).to_string(), "7");
        assert_eq!(percentile(&[], 0.5).to_string(), "0");
        assert_eq!(median([3.0, 1.0, 2.0]).to_string(), "2");
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]).to_string(), "2.5");
        assert_eq!(median([]).to_string(), "0");
    }
}
