//! An issuer of tokens, and the address of its keys.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING as ES256, EcdsaKeyPair, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// Signs tokens with ES256.
pub struct Issuer {
    kid: String,
    pair: EcdsaKeyPair,
}

impl Issuer {
    pub fn new(kid: &str) -> Self {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ES256, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ES256, document.as_ref(), &random).unwrap();
        Self { kid: kid.to_owned(), pair }
    }

    /// Its key set, as it is published.
    pub fn set(&self) -> String {
        let (x, y) = self.pair.public_key().as_ref()[1..].split_at(32);
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        json!({"keys": [{"kty": "EC", "crv": "P-256", "kid": self.kid, "use": "sig", "alg": "ES256", "x": x, "y": y}]})
            .to_string()
    }

    /// A token for Jo of acme with these claims beside or instead of the usual ones.
    pub fn token(&self, changes: Value) -> String {
        self.token_of(&self.kid, changes)
    }

    /// The same under the name of another key.
    pub fn token_of(&self, kid: &str, changes: Value) -> String {
        let mut claims = json!({
            "iss": "https://id.example.com", "aud": "tenon", "sub": "jo", "exp": now() + 600,
            "tenant": "acme", "roles": ["member"],
        });
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let header = json!({"alg": "ES256", "kid": kid});
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// A small server that publishes a key set.
pub struct Published {
    pub url: String,
    answer: Arc<Mutex<String>>,
    asked: Arc<AtomicUsize>,
}

impl Published {
    pub async fn new(set: &str) -> Self {
        Self::start("http", set, None).await
    }

    /// Over TLS, with a certificate that the authority in `tls/ca.pem` has signed.
    pub async fn over_tls(set: &str) -> Self {
        let certificate = CertificateDer::from_pem_slice(include_bytes!("tls/server.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_slice(include_bytes!("tls/server.key")).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        Self::start("https", set, Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    async fn start(scheme: &str, set: &str, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("{scheme}://{}/jwks", listener.local_addr().unwrap());
        let published = Self { url, answer: Arc::default(), asked: Arc::default() };
        published.publish(set);
        let (answer, asked) = (published.answer.clone(), published.asked.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let answering = async |stream| answer_one(stream, &answer, &asked).await;
                match &tls {
                    None => answering(Box::new(stream) as Box<dyn Both>).await,
                    // Whoever does not trust the certificate goes away.
                    Some(tls) => match tls.accept(stream).await {
                        Ok(stream) => answering(Box::new(stream)).await,
                        Err(_) => continue,
                    },
                }
            }
        });
        published
    }

    /// Lets the server answer with this set from now on.
    pub fn publish(&self, set: &str) {
        self.answer_with(&format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{set}",
            set.len()
        ));
    }

    /// Lets the server write exactly this.
    pub fn answer_with(&self, answer: &str) {
        *self.answer.lock().unwrap() = answer.to_owned();
    }

    /// How often it was asked.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

trait Both: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Both for T {}

async fn answer_one(mut stream: Box<dyn Both>, answer: &Mutex<String>, asked: &AtomicUsize) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && stream.read_buf(&mut head).await.is_ok_and(|bytes| bytes > 0) {}
    asked.fetch_add(1, Ordering::SeqCst);
    let answer = answer.lock().unwrap().clone();
    // The host may have seen enough.
    _ = stream.write_all(answer.as_bytes()).await;
    _ = stream.shutdown().await;
}
