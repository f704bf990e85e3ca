//! Every provider's credentials, kept across configurations: a swap must not fetch each token anew.

use std::collections::HashMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::{Authorizer, Scheme, Surroundings};

/// Authorizers by scheme and secret. Providers that share both share their tokens.
pub struct CredentialBook {
    surroundings: Arc<Surroundings>,
    authorizers: HashMap<(Scheme, Option<[u8; 32]>), Arc<Authorizer>>,
}

impl CredentialBook {
    pub fn new(surroundings: Surroundings) -> Self {
        Self { surroundings: Arc::new(surroundings), authorizers: HashMap::new() }
    }

    pub fn authorizer(&mut self, scheme: &Scheme, secret: Option<&str>) -> Arc<Authorizer> {
        let hash = secret.map(|secret| Sha256::digest(secret.as_bytes()).into());
        let Self { surroundings, authorizers } = self;
        authorizers
            .entry((scheme.clone(), hash))
            .or_insert_with(|| Arc::new(Authorizer::new(scheme, secret, surroundings)))
            .clone()
    }

    /// Drops the authorizers that nothing else holds: neither a configuration nor a request.
    pub fn forget_unused(&mut self) {
        self.authorizers.retain(|_, authorizer| Arc::strong_count(authorizer) > 1);
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn shares_by_scheme_and_secret_and_forgets() {
        let mut book = CredentialBook::new(Surroundings::new(|_| None, || SystemTime::UNIX_EPOCH));
        let ibm = |endpoint: &str| Scheme::IbmIam { endpoint: Some(endpoint.into()) };
        let first = book.authorizer(&ibm("https://a/"), Some("key"));
        assert!(Arc::ptr_eq(&first, &book.authorizer(&ibm("https://a/"), Some("key"))));
        for (scheme, secret) in
            [(ibm("https://b/"), Some("key")), (ibm("https://a/"), Some("other")), (ibm("https://a/"), None)]
        {
            assert!(!Arc::ptr_eq(&first, &book.authorizer(&scheme, secret)), "{scheme} is another one");
        }
        book.forget_unused();
        assert_eq!(book.authorizers.len(), 1);
        assert!(Arc::ptr_eq(&first, &book.authorizer(&ibm("https://a/"), Some("key"))));
        drop(first);
        book.forget_unused();
        assert!(book.authorizers.is_empty());
    }
}
