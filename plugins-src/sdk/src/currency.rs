//! How finely money is divided.

/// How many decimal places the currency of this ISO 4217 code has; nothing for one that is not known here. The code is
/// written in capitals.
pub fn places(code: &str) -> Option<u8> {
    match code {
        "CLP" | "ISK" | "JPY" | "KRW" | "PYG" | "UGX" | "VND" | "XAF" | "XOF" => Some(0),
        "AED" | "ARS" | "AUD" | "BGN" | "BRL" | "CAD" | "CHF" | "CNY" | "COP" | "CZK" | "DKK" | "EGP" | "EUR"
        | "GBP" | "GHS" | "HKD" | "HUF" | "IDR" | "ILS" | "INR" | "KES" | "MAD" | "MXN" | "MYR" | "NGN" | "NOK"
        | "NZD" | "PEN" | "PHP" | "PKR" | "PLN" | "QAR" | "RON" | "RSD" | "SAR" | "SEK" | "SGD" | "THB" | "TRY"
        | "TWD" | "UAH" | "USD" | "ZAR" => Some(2),
        "BHD" | "IQD" | "JOD" | "KWD" | "OMR" | "TND" => Some(3),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_currency_has_the_places_of_its_minor_unit() {
        assert_eq!(["JPY", "USD", "KWD"].map(places), [Some(0), Some(2), Some(3)]);
        assert_eq!(["usd", "US", "XXX", ""].map(places), [None; 4]);
    }
}
