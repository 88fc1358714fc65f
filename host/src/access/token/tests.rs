//! Every algorithm with right and wrong signatures, and every way in which a token or a key set can be off.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::ToSpan;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
};
use serde_json::{Value, json};

use super::*;
use crate::access::Reach;
use crate::permission::PermissionName;

mod attacks;
mod people;

const SECRET: &[u8] = b"a secret that is shared by two and 32 bytes long";

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// An issuer with one key.
struct Issuer {
    algorithm: JwtAlgorithm,
    pair: Pair,
}

enum Pair {
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
    Secret,
}

impl Issuer {
    fn new(algorithm: JwtAlgorithm) -> Self {
        let random = SystemRandom::new();
        let ec = |signing| {
            let document = EcdsaKeyPair::generate_pkcs8(signing, &random).unwrap();
            Pair::Ec(EcdsaKeyPair::from_pkcs8(signing, document.as_ref(), &random).unwrap())
        };
        let pair = match algorithm {
            JwtAlgorithm::ES256 => ec(&ECDSA_P256_SHA256_FIXED_SIGNING),
            JwtAlgorithm::ES384 => ec(&ECDSA_P384_SHA384_FIXED_SIGNING),
            JwtAlgorithm::EdDSA => {
                let document = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
                Pair::Ed(Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap())
            }
            JwtAlgorithm::HS256 => Pair::Secret,
            other => panic!("{other:?}"),
        };
        Self { algorithm, pair }
    }

    /// The key as its set has it.
    fn jwk(&self) -> Value {
        match &self.pair {
            Pair::Ec(pair) => {
                let point = &pair.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                let crv = if x.len() == 32 { "P-256" } else { "P-384" };
                json!({"kty": "EC", "crv": crv, "x": b64(x), "y": b64(y), "kid": "k", "use": "sig"})
            }
            Pair::Ed(pair) => json!({"kty": "OKP", "crv": "Ed25519", "x": b64(pair.public_key()), "kid": "k"}),
            Pair::Secret => json!({"kty": "oct", "k": b64(SECRET), "kid": "k"}),
        }
    }

    fn header(&self) -> Value {
        json!({"alg": jws::name(self.algorithm), "typ": "JWT", "kid": "k"})
    }

    fn token(&self, claims: &Value) -> String {
        self.sign(&self.header().to_string(), &claims.to_string())
    }

    fn sign(&self, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", b64(header), b64(claims));
        let signature = match &self.pair {
            Pair::Ec(pair) => pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap().as_ref().to_vec(),
            Pair::Ed(pair) => pair.sign(signed.as_bytes()).as_ref().to_vec(),
            Pair::Secret => {
                let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET);
                ring::hmac::sign(&key, signed.as_bytes()).as_ref().to_vec()
            }
        };
        format!("{signed}.{}", b64(signature))
    }
}

/// The claims of somebody who is let in.
fn claims() -> Value {
    json!({
        "iss": "https://id.example.com", "aud": ["other", "tenon"], "sub": "jo", "tenant": "acme", "roles": ["member"],
        "exp": (Timestamp::now() + 60.seconds()).as_second(), "nbf": Timestamp::now().as_second() - 5,
    })
}

fn with(changes: Value) -> Value {
    let mut claims = claims();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => claims.as_object_mut().unwrap().remove(name),
            value => claims.as_object_mut().unwrap().insert(name.clone(), value.clone()),
        };
    }
    claims
}

fn config(algorithm: JwtAlgorithm, directory: &tempfile::TempDir) -> JwtConfig {
    JwtConfig {
        issuer: "https://id.example.com".into(),
        audience: "tenon".into(),
        algorithm,
        jwks: directory.path().join("jwks.json").to_str().unwrap().into(),
        jwks_file_look_ms: 10,
        ..JwtConfig::default()
    }
}

/// What checks tokens of this issuer, and the directory of its key set.
async fn host(issuer: &Issuer, change: impl FnOnce(&mut JwtConfig)) -> (Arc<Tokens>, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let mut config = config(issuer.algorithm, &directory);
    change(&mut config);
    let set = json!({"keys": [issuer.jwk()]}).to_string();
    std::fs::write(directory.path().join("jwks.json"), set).unwrap();
    (Tokens::open(&config, RolesConfig::default()).await.unwrap(), directory)
}

/// Why this token is refused; empty when it is not.
async fn refusal(tokens: &Tokens, token: &str) -> String {
    match tokens.check(token).await {
        Ok(_) => String::new(),
        Err(refused) => refused.to_string(),
    }
}

#[tokio::test]
async fn a_token_of_each_algorithm_lets_its_bearer_in() {
    use JwtAlgorithm::{ES256, ES384, EdDSA, HS256};
    for algorithm in [ES256, ES384, EdDSA, HS256] {
        let issuer = Issuer::new(algorithm);
        let (tokens, _directory) = host(&issuer, |_| {}).await;
        let token = issuer.token(&claims());
        assert!(tokens.known(&token).is_none());
        let principal = tokens.check(&token).await.unwrap();
        assert_eq!((principal.name.as_str(), &principal.user.unwrap().to_string()[..]), ("user:jo", "jo"));
        assert!(tokens.known(&token).is_some(), "it is remembered");

        // Each byte of the three parts counts.
        for at in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let altered = String::from_utf8(bytes).unwrap();
            assert!(tokens.known(&altered).is_none() && tokens.check(&altered).await.is_err(), "{at}: {altered}");
        }
        let other = Issuer { algorithm, ..Issuer::new(if algorithm == HS256 { ES256 } else { algorithm }) };
        assert!(refusal(&tokens, &other.token(&claims())).await.contains("signature"));
    }
}

#[test]
fn signatures_of_rsa_are_right_or_wrong() {
    let text = include_str!("tests/rsa.txt");
    let vectors: Vec<(&str, &str)> =
        text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(' ')).collect();
    let (_, n) = vectors[0];
    let set = json!({"keys": [{"kty": "RSA", "n": n, "e": "AQAB"}]}).to_string();
    for (alg, signature) in &vectors[1..] {
        let algorithm: JwtAlgorithm = serde_json::from_value(json!(alg)).unwrap();
        let keys = jwks::parse(set.as_bytes(), algorithm, 10).unwrap();
        let signed = format!("{}.{}", b64(json!({"alg": alg}).to_string()), b64(r#"{"sub":"x"}"#));
        let right = |signature: &str| {
            let token = format!("{signed}.{signature}");
            Jws::parse(&token, algorithm).is_ok_and(|jws| jws.is_signed_with(&keys[0]))
        };
        assert!(right(signature), "{alg}");
        for (other, signature) in vectors[1..].iter().filter(|(other, _)| other != alg) {
            assert!(!right(signature), "{other} for {alg}");
        }
        assert!(!right("") && !right(&signature[..340]) && !right(&b64([0; 256])), "{alg}");
    }
    assert_eq!(vectors.len(), 7);
}
