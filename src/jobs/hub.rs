//! Weights from the Hugging Face hub: fetched once, then read from its cache on this machine.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use hf_hub::api::sync::{ApiBuilder, ApiError};
use hf_hub::{Cache, Repo, RepoType};

/// Before a repository's name wherever a file of weights may be named.
const SCHEME: &str = "hf:";
/// What repositories call their weights, the safer format first.
const USUAL_FILES: [&str; 2] = ["model.safetensors", "pytorch_model.bin"];

#[derive(Debug, thiserror::Error)]
pub enum HubError {
    #[error(
        "`{text}` names no weights on the Hugging Face hub: write hf:OWNER/NAME, hf:OWNER/NAME@REVISION or hf:OWNER/NAME:FILE"
    )]
    Name { text: String },
    #[error("the Hugging Face repository {repo} does not exist, is private or has no {}", files.join(" and no "))]
    Absent { repo: String, files: Vec<String> },
    #[error(
        "cannot fetch {file} of the Hugging Face repository {repo}, and no copy of it lies on this machine ({reason})"
    )]
    Unreachable { repo: String, file: String, reason: String },
}

/// `hf:OWNER/NAME[@REVISION][:FILE]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubWeights {
    repo: String,
    revision: String,
    file: Option<String>,
}

impl FromStr for HubWeights {
    type Err = HubError;

    fn from_str(text: &str) -> Result<Self, HubError> {
        let wrong = || HubError::Name { text: text.to_owned() };
        let rest = text.strip_prefix(SCHEME).ok_or_else(wrong)?;
        let (rest, file) = rest.split_once(':').map_or((rest, None), |(rest, file)| (rest, Some(file.to_owned())));
        let (repo, revision) = rest.split_once('@').unwrap_or((rest, "main"));
        let part = |part: &str| {
            !part.is_empty()
                && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
                && !part.starts_with('.')
        };
        let whole = repo.split_once('/').is_some_and(|(owner, name)| part(owner) && part(name));
        // A name of a file leads nowhere else than into the cache.
        let inside = |file: &String| file.split('/').all(part);
        if !whole || !part(revision) || !file.as_ref().is_none_or(inside) {
            return Err(wrong());
        }
        Ok(Self { repo: repo.to_owned(), revision: revision.to_owned(), file })
    }
}

impl fmt::Display for HubWeights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.repo)
    }
}

impl HubWeights {
    /// The file on this machine: from the cache that Hugging Face's own tools share (`HF_HOME`), else fetched into it.
    pub fn fetch(&self) -> Result<PathBuf, HubError> {
        // `HF_ENDPOINT` names a mirror, as for those tools.
        self.fetch_into(Cache::from_env(), std::env::var("HF_ENDPOINT").ok())
    }

    fn fetch_into(&self, cache: Cache, endpoint: Option<String>) -> Result<PathBuf, HubError> {
        let files: Vec<String> = match &self.file {
            Some(file) => vec![file.clone()],
            None => USUAL_FILES.map(str::to_owned).to_vec(),
        };
        let repo = Repo::with_revision(self.repo.clone(), RepoType::Model, self.revision.clone());
        let kept = cache.repo(repo.clone());
        if let Some(path) = files.iter().find_map(|file| kept.get(file)) {
            return Ok(path);
        }
        let unreachable = |file: &str, error: &ApiError| HubError::Unreachable {
            repo: self.repo.clone(),
            file: file.to_owned(),
            reason: error.to_string().lines().next().unwrap_or("unknown cause").to_owned(),
        };
        let mut builder = ApiBuilder::from_cache(cache).with_progress(false).with_retries(1);
        if let Some(endpoint) = endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        let api = builder.build().map_err(|error| unreachable(&files[0], &error))?.repo(repo);
        for file in &files {
            match api.download(file) {
                Ok(path) => return Ok(path),
                Err(error) if is_absent(&error) => {}
                Err(error) => return Err(unreachable(file, &error)),
            }
        }
        Err(HubError::Absent { repo: self.repo.clone(), files })
    }
}

/// Whether the hub answered, and said that there is no such thing or that not everybody may have it.
fn is_absent(error: &ApiError) -> bool {
    let said = error.to_string();
    ["401", "403", "404"].iter().any(|code| said.contains(&format!("status: {code}")))
}

/// A file of weights that a person named: a path, or a repository of the hub.
pub fn weights_file(named: &Path) -> Result<PathBuf, HubError> {
    match named.to_str() {
        Some(text) if text.starts_with(SCHEME) => text.parse::<HubWeights>()?.fetch(),
        _ => Ok(named.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nothing listens on port 9 of this machine.
    const NOWHERE: &str = "http://127.0.0.1:9";

    fn cached(dir: &Path, file: &str) {
        let repo = dir.join("models--timm--resnet18.a1_in1k");
        std::fs::create_dir_all(repo.join("refs")).unwrap();
        std::fs::write(repo.join("refs/main"), "abc123").unwrap();
        let place = repo.join("snapshots/abc123").join(file);
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::write(place, "weights").unwrap();
    }

    #[test]
    fn what_lies_in_the_cache_needs_no_network() {
        let dir = tempfile::tempdir().unwrap();
        cached(dir.path(), "model.safetensors");
        cached(dir.path(), "extra/other.pth");
        for (text, file) in [
            ("hf:timm/resnet18.a1_in1k", "model.safetensors"),
            ("hf:timm/resnet18.a1_in1k@main", "model.safetensors"),
            ("hf:timm/resnet18.a1_in1k:extra/other.pth", "extra/other.pth"),
        ] {
            let weights: HubWeights = text.parse().unwrap();
            let cache = Cache::new(dir.path().to_owned());
            let path = weights.fetch_into(cache, Some(NOWHERE.to_owned())).unwrap();
            assert!(path.ends_with(file) && std::fs::read(&path).unwrap() == b"weights", "{}", path.display());
        }
    }

    #[test]
    fn being_offline_is_one_sentence() {
        let dir = tempfile::tempdir().unwrap();
        let weights: HubWeights = "hf:timm/resnet18.a1_in1k".parse().unwrap();
        let error = weights.fetch_into(Cache::new(dir.path().to_owned()), Some(NOWHERE.to_owned())).unwrap_err();
        let said = error.to_string();
        assert!(matches!(error, HubError::Unreachable { .. }) && !said.contains('\n'), "{said}");
        assert!(said.starts_with("cannot fetch model.safetensors of the Hugging Face repository timm/"), "{said}");
    }

    /// A hub of one answer, on this machine.
    #[test]
    fn a_repository_without_the_file_is_told_from_no_network() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let serve = || {
            use std::io::{Read, Write};
            for _ in 0..2 {
                let (mut stream, _) = listener.accept().unwrap();
                let _ = stream.read(&mut [0; 4096]);
                stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
            }
        };
        let dir = tempfile::tempdir().unwrap();
        let weights: HubWeights = "hf:timm/none".parse().unwrap();
        let error = std::thread::scope(|scope| {
            std::thread::Builder::new().spawn_scoped(scope, serve).unwrap();
            weights.fetch_into(Cache::new(dir.path().to_owned()), Some(endpoint)).unwrap_err()
        });
        assert_eq!(
            error.to_string(),
            "the Hugging Face repository timm/none does not exist, is private or has no model.safetensors and no \
             pytorch_model.bin"
        );
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for text in ["hf:", "hf:timm", "hf:a/b/c", "hf:../x", "hf:a/b:../../x", "hf:a/b@", "hf:a/b:", "timm/resnet18"] {
            let said = text.parse::<HubWeights>().unwrap_err().to_string();
            assert!(said.contains("write hf:OWNER/NAME"), "{text}: {said}");
        }
        assert_eq!(weights_file(Path::new("w.pth")).unwrap(), Path::new("w.pth"));
    }
}
