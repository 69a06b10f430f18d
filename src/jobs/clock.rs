//! What time it is, as text.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::domain::Utc;

/// Seconds since 1970, UTC.
pub fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Now, as RFC 3339.
pub fn now() -> String {
    rfc3339(seconds())
}

pub fn rfc3339(seconds: u64) -> String {
    let utc = Utc::of_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
    format!("{}T{}:{:02}Z", utc.date(), utc.time(), utc.second)
}

#[cfg(test)]
mod tests {
    use super::rfc3339;

    #[test]
    fn dates_agree_with_gnu_date() {
        // `date -u -d @SECONDS +%FT%TZ`
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(seconds), text);
        }
    }
}
