//! `tenon sign`: makes keys, signs plugin files and checks signatures. It needs no host.

use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::hash::sha256;
use crate::path::beside;
use crate::registry::read_package;
use crate::registry::trust::{
    Examined, PublicKey, SecretKey, Signature, Subject, appended, detached, examine, read_detached, split, stripped,
};
use crate::registry::{sidecar_of, signatures_of};

/// Far more than a host takes of one file: here it only ends a mistake.
const SIGNATURES: usize = 1_000;

/// Sign plugin files, so that a host knows whose they are.
#[derive(clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Examples:\n  \
        tenon sign keygen acme.key                          a new key, and acme.key.pub for those who are to trust it\n  \
        tenon sign crm-1.1.0.wasm --key acme.key            put a signature at the end of the file\n  \
        tenon sign crm-1.1.0.wasm --key acme.key --detached write crm-1.1.0.wasm.sig beside it instead\n  \
        tenon sign verify crm-1.1.0.wasm                    who signed it, and whether it is as it was then"
)]
pub(super) struct Sign {
    #[command(subcommand)]
    command: Option<SignCommand>,
    /// The plugin files. A manifest beside one is signed with it, if the file embeds none
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// The file of the private key
    #[arg(long, value_name = "KEY", required = true)]
    key: Option<PathBuf>,
    /// Leave the files as they are and write each signature beside its file, as FILE.sig
    #[arg(long)]
    detached: bool,
}

#[derive(clap::Subcommand)]
enum SignCommand {
    /// Make a new key: FILE for whoever signs, FILE.pub for those who are to trust it.
    Keygen {
        /// Where the private key is written; it must not be there yet
        file: PathBuf,
    },
    /// Say who signed plugin files, and fail if one is not signed or was changed since.
    Verify {
        /// The plugin files
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
        /// The public key, or its file, that must be among them
        #[arg(long, value_name = "PUBLIC")]
        key: Option<String>,
    },
}

impl Sign {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self.command {
            Some(SignCommand::Keygen { file }) => keygen(&file),
            Some(SignCommand::Verify { files, key }) => {
                let key = key.as_deref().map(public_key).transpose()?;
                files.iter().try_for_each(|file| verify(file, key).with_context(|| file.display().to_string()))
            }
            None => {
                let key = secret_key(&self.key.context("name the private key with --key")?)?;
                let sign = |file: &PathBuf| sign(file, &key, self.detached).with_context(|| file.display().to_string());
                self.files.iter().try_for_each(sign)
            }
        }
    }
}

/// A public key as it is typed: itself, or the name of a file that holds it.
pub(super) fn public_key(text: &str) -> anyhow::Result<PublicKey> {
    if text.starts_with("ed25519:") {
        return Ok(text.parse()?);
    }
    let content = fs::read_to_string(text).with_context(|| {
        format!("cannot read the public key {text}: give its file, or the key itself, which begins with `ed25519:`")
    })?;
    content.trim().parse().with_context(|| text.to_owned())
}

fn keygen(file: &Path) -> anyhow::Result<()> {
    let key = SecretKey::generate();
    let public = beside(file, ".pub");
    write_new(file, 0o600, &key.to_pem())?;
    write_new(&public, 0o644, &format!("{}\n", key.public()))?;
    super::output::print(&key.public().to_string())
}

fn write_new(file: &Path, mode: u32, text: &str) -> anyhow::Result<()> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(mode).open(file);
    let mut opened = opened.with_context(|| {
        format!("cannot make {}: choose a name that is not taken, in a directory you can write to", file.display())
    })?;
    opened.write_all(text.as_bytes())?;
    Ok(opened.sync_all()?)
}

fn secret_key(file: &Path) -> anyhow::Result<SecretKey> {
    let shown = file.display();
    let cannot = || format!("cannot read the private key {shown}: make one with `tenon sign keygen {shown}`");
    let mode = fs::metadata(file).with_context(cannot)?.permissions().mode();
    if mode & 0o077 != 0 {
        bail!("others than you can use the private key {shown}: `chmod 600 {shown}`");
    }
    SecretKey::from_pem(&fs::read_to_string(file).with_context(cannot)?).with_context(|| shown.to_string())
}

/// A plugin file with all that makes it.
struct Signable {
    bytes: Vec<u8>,
    manifest: Option<Vec<u8>>,
    signatures: Option<Vec<u8>>,
}

impl Signable {
    fn read(file: &Path) -> anyhow::Result<Self> {
        let optional = |path: PathBuf| match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| path.display().to_string()),
        };
        let bytes = fs::read(file).context("it cannot be read")?;
        Ok(Self { bytes, manifest: optional(sidecar_of(file))?, signatures: optional(signatures_of(file))? })
    }

    /// Its id and version, and what a signature has to cover.
    fn subject(&self, file: &Path, payload: &[u8]) -> anyhow::Result<(String, Subject)> {
        let sidecar = name(&sidecar_of(file));
        let package = read_package(payload, (&sidecar, self.manifest.as_deref()), usize::MAX)?;
        let manifest = self.manifest.as_deref().filter(|_| package.is_manifest_beside());
        let key = format!("{} {}", package.manifest.id, package.manifest.version);
        Ok((key, Subject::new(payload, manifest)))
    }
}

fn sign(file: &Path, key: &SecretKey, detach: bool) -> anyhow::Result<()> {
    let plugin = Signable::read(file)?;
    let (payload, at_the_end) = match split(&plugin.bytes, SIGNATURES) {
        Ok(parts) => (parts.payload.to_vec(), parts.signatures),
        // What is signed beside it stays as it is, so the host would meet with the same error.
        Err(error) if detach => return Err(anyhow::Error::from(error).context("sign it without --detached")),
        Err(_) => (stripped(&plugin.bytes), Vec::new()),
    };
    let (id, subject) = plugin.subject(file, &payload)?;
    let signature = Signature::new(&subject, key);
    let beside = || plugin.signatures.as_deref().and_then(|bytes| read_detached(bytes, SIGNATURES).ok());
    let before = if detach { beside().unwrap_or_default() } else { at_the_end };
    // Those of others stay as long as they are right; one that is wrong would have the file refused.
    let still = |other: &Signature| other.key != signature.key && other.verify(&subject, "").is_ok();
    let all = before.into_iter().filter(still).chain([signature.clone()]);
    if detach {
        replace(&signatures_of(file), all.map(|one| detached(&one)).collect::<String>().as_bytes(), None)?;
    } else {
        let bytes = all.fold(payload, |bytes, one| [bytes, appended(&one)].concat());
        replace(file, &bytes, Some(fs::metadata(file)?.permissions()))?;
    }
    super::output::print(&format!("{}: {id}, signed by {}", file.display(), signature.key))
}

/// Puts a file in its place at once. A host that watches the directory passes over what begins with a dot.
fn replace(file: &Path, bytes: &[u8], permissions: Option<Permissions>) -> anyhow::Result<()> {
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut new = tempfile::Builder::new().prefix(".").suffix(".new").tempfile_in(directory)?;
    new.write_all(bytes)?;
    new.as_file().set_permissions(permissions.unwrap_or(Permissions::from_mode(0o644)))?;
    new.as_file().sync_all()?;
    new.persist(file).map_err(|error| error.error)?;
    Ok(())
}

fn verify(file: &Path, key: Option<PublicKey>) -> anyhow::Result<()> {
    let plugin = Signable::read(file)?;
    let sidecar = (&*name(&sidecar_of(file)), plugin.manifest.as_deref());
    let Examined { payload, signatures, .. } =
        examine((&plugin.bytes, sha256(&plugin.bytes)), sidecar, plugin.signatures.as_deref(), SIGNATURES)?;
    let (id, subject) = plugin.subject(file, payload)?;
    if signatures.is_empty() {
        bail!("it is not signed: `tenon sign FILE --key KEY` does that");
    }
    if let Some(uncovered) = signatures.iter().find(|one| subject.manifest.is_some() && !one.with_manifest) {
        bail!("the signature by {} does not cover {}, which is its manifest", uncovered.key, sidecar.0);
    }
    if let Some(key) = key.filter(|key| !signatures.iter().any(|signature| signature.key == *key)) {
        bail!("it is signed, but not by {key}");
    }
    for signature in signatures {
        super::output::print(&format!("{}: {id}, signed by {}", file.display(), signature.key))?;
    }
    Ok(())
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
