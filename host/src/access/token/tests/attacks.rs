//! Tokens that are not what they seem.

use super::*;

#[tokio::test]
async fn no_token_chooses_its_algorithm() {
    let issuer = Issuer::new(JwtAlgorithm::ES256);
    let (tokens, _directory) = host(&issuer, |_| {}).await;
    let claims = claims().to_string();
    for alg in ["none", "None", "NONE", "", "es256", "ES384", "RS256", "HS256", "EdDSA", " ES256"] {
        let header = json!({"alg": alg, "kid": "k"}).to_string();
        assert!(refusal(&tokens, &issuer.sign(&header, &claims)).await.contains("algorithm"), "{alg}");
        let bare = format!("{}.{}.", b64(&header), b64(&claims));
        assert!(refusal(&tokens, &bare).await.contains("algorithm"), "{alg}");
    }
    // The public key taken for a shared secret.
    let jwk = issuer.jwk();
    let point: Vec<u8> = [&jwk["x"], &jwk["y"]]
        .iter()
        .flat_map(|part| URL_SAFE_NO_PAD.decode(part.as_str().unwrap()).unwrap())
        .collect();
    for secret in [point.clone(), [vec![4], point].concat(), jwk.to_string().into_bytes()] {
        let signed = format!("{}.{}", b64(json!({"alg": "HS256", "kid": "k"}).to_string()), b64(&claims));
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &secret);
        let token = format!("{signed}.{}", b64(ring::hmac::sign(&key, signed.as_bytes())));
        assert!(refusal(&tokens, &token).await.contains("algorithm"));
    }
    // A signature that is right for every message in software that does not look: r and s are 0.
    let zero = format!("{}.{}.{}", b64(issuer.header().to_string()), b64(&claims), b64([0; 64]));
    assert!(refusal(&tokens, &zero).await.contains("signature"));
}

#[tokio::test]
async fn a_header_says_nothing_of_keys_but_a_name() {
    let issuer = Issuer::new(JwtAlgorithm::ES256);
    let (tokens, _directory) = host(&issuer, |_| {}).await;
    let mine = Issuer::new(JwtAlgorithm::ES256);
    let refused = async |header: Value, words: &str| {
        let token = mine.sign(&header.to_string(), &claims().to_string());
        let told = refusal(&tokens, &token).await;
        assert!(told.contains(words), "{header}: {told}");
    };
    let base = |more: Value| {
        let mut header = json!({"alg": "ES256", "kid": "k"});
        header.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        header
    };
    for more in [
        json!({"jwk": mine.jwk()}),
        json!({"jku": "http://127.0.0.1:1/jwks"}),
        json!({"x5u": "http://127.0.0.1:1/x"}),
        json!({"x5c": ["AAAA"]}),
        json!({}),
    ] {
        refused(base(more), "signature").await;
    }
    for kid in ["", "K", "k ", "../../etc/passwd", "k' OR '1'='1", "/dev/null", &"k".repeat(4_000)] {
        refused(base(json!({"kid": kid})), "not the issuer's").await;
    }
    for kid in [json!(1), json!(["k"]), json!({"k": "k"}), json!(true)] {
        refused(base(json!({"kid": kid})), "kid").await;
    }
    for crit in [json!(["b64"]), json!(["exp"]), json!([]), json!("x")] {
        refused(base(json!({"crit": crit})), "crit").await;
    }
    for typ in [json!("JWE"), json!("logout+jwt"), json!("dpop+jwt"), json!(7)] {
        refused(base(json!({"typ": typ})), "typ").await;
    }
    // Those of the issuer itself are taken in every spelling of the type.
    for typ in ["JWT", "jwt", "at+JWT", "application/at+jwt"] {
        let header = json!({"alg": "ES256", "kid": "k", "typ": typ}).to_string();
        assert_eq!(refusal(&tokens, &issuer.sign(&header, &claims().to_string())).await, "", "{typ}");
    }
    // A name that comes twice is read in two ways.
    let twice = issuer.sign(r#"{"alg":"ES256","alg":"none","kid":"k"}"#, &claims().to_string());
    assert!(refusal(&tokens, &twice).await.contains("header"));
}

#[tokio::test]
async fn what_is_no_token_is_refused_without_a_word_of_it() {
    let issuer = Issuer::new(JwtAlgorithm::EdDSA);
    let (tokens, _directory) = host(&issuer, |_| {}).await;
    let good = issuer.token(&claims());
    let padded = format!("{good}==");
    let long = format!("{good}{}", "A".repeat(9_000));
    for bad in ["..", "a.b.c", "....", &padded, &good.replacen('.', "..", 1), "eyJhbGciOiJFZERTQSJ9..", &long] {
        let told = refusal(&tokens, bad).await;
        assert!(!told.is_empty() && told.len() < 120, "{bad}: {told}");
    }
    for claims in ["", "[]", "null", "{", "\"x\"", "{\"iss\":"] {
        let header = issuer.header().to_string();
        assert!(refusal(&tokens, &issuer.sign(&header, claims)).await.contains("claims"), "{claims}");
    }
}

#[tokio::test]
async fn a_token_counts_here_and_now_or_not_at_all() {
    let issuer = Issuer::new(JwtAlgorithm::EdDSA);
    let (tokens, _directory) = host(&issuer, |_| {}).await;
    let now = Timestamp::now().as_second();
    for (changes, words) in [
        (json!({"iss": null}), "iss"),
        (json!({"iss": "https://id.example.com/"}), "iss"),
        (json!({"iss": ["https://id.example.com"]}), "iss"),
        (json!({"aud": null}), "aud"),
        (json!({"aud": "tenon2"}), "aud"),
        (json!({"aud": []}), "aud"),
        (json!({"aud": [["tenon"]]}), "aud"),
        (json!({"aud": {"tenon": true}}), "aud"),
        (json!({"exp": null}), "exp"),
        (json!({"exp": "4102444800"}), "exp"),
        (json!({"exp": [now + 60]}), "exp"),
        (json!({"exp": true}), "exp"),
        (json!({"exp": 1e300}), "exp"),
        (json!({"exp": now - 31}), "exp"),
        (json!({"exp": -1}), "exp"),
        (json!({"exp": 0}), "exp"),
        (json!({"nbf": now + 40}), "nbf"),
        (json!({"nbf": "0"}), "nbf"),
        (json!({"sub": null}), "user"),
        (json!({"sub": ""}), "user"),
        (json!({"sub": "a b"}), "user"),
        (json!({"sub": 7}), "user"),
        (json!({"sub": "key:0a1b2c3d4e5f6071"}), "user"),
    ] {
        let told = refusal(&tokens, &issuer.token(&with(changes.clone()))).await;
        assert!(told.contains(words), "{changes}: {told:?}");
    }
    for changes in [
        json!({"exp": now - 20}),
        json!({"exp": now as f64 + 60.5}),
        json!({"nbf": now + 20}),
        json!({"nbf": null}),
        json!({"aud": "tenon"}),
    ] {
        assert_eq!(refusal(&tokens, &issuer.token(&with(changes.clone()))).await, "", "{changes}");
    }
}

#[test]
fn only_keys_that_fit_are_taken_from_a_set() {
    use JwtAlgorithm::{ES256, EdDSA, HS256, RS256};
    let es = Issuer::new(ES256).jwk();
    let changed = |changes: Value| {
        let mut jwk = es.clone();
        jwk.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        jwk
    };
    let strange = vec![
        json!(7),
        json!({}),
        json!({"kty": "EC"}),
        json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"}),
        json!({"kty": "RSA", "n": b64([255; 128]), "e": "AQAB"}),
        json!({"kty": "oct", "k": b64([1; 31])}),
        json!({"kty": "OKP", "crv": "X25519", "x": b64([1; 32])}),
        json!({"kty": "OKP", "crv": "Ed25519", "x": b64([1; 31])}),
        changed(json!({"use": "enc"})),
        changed(json!({"key_ops": ["sign"]})),
        changed(json!({"alg": "ES384"})),
        changed(json!({"crv": "P-384"})),
        changed(json!({"crv": "secp256k1"})),
        changed(json!({"x": b64([1; 31])})),
        changed(json!({"kid": 3})),
    ];
    let set = |keys: Vec<Value>| json!({"keys": keys, "more": 1}).to_string();
    for algorithm in [ES256, EdDSA, HS256, RS256] {
        let told = jwks::parse(set(strange.clone()).as_bytes(), algorithm, 100).unwrap_err();
        assert!(told.contains("no key for"), "{told}");
    }
    let with_one = set(strange.iter().cloned().chain([es.clone()]).collect());
    assert_eq!(jwks::parse(with_one.as_bytes(), ES256, 100).unwrap().len(), 1);
    assert!(jwks::parse(with_one.as_bytes(), ES256, 15).is_err(), "only so many are looked at");
    for no_set in ["", "[]", "{\"keys\":{}}", "<html>"] {
        assert!(jwks::parse(no_set.as_bytes(), ES256, 100).unwrap_err().contains("Key Set"));
    }
}
