//! Whose token it is: the API server knows.

use std::future::Future;
use std::time::Duration;

use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, TokenReviewStatus};
use kube::api::PostParams;
use kube::{Api, Client};
use penstock_config::TOKEN_AUDIENCE;
use tokio::time::timeout;

use crate::settings::NamespacedName;

const REVIEW_TIMEOUT: Duration = Duration::from_secs(10);
/// Set by the API server for tokens that are bound to a pod.
const POD_NAME: &str = "authentication.kubernetes.io/pod-name";

/// Who showed a token.
#[derive(Clone, Debug, PartialEq)]
pub struct Caller {
    pub username: String,
    /// The pod that the token is bound to; it cannot be made up.
    pub pod: Option<String>,
}

/// The token could not be checked, which says nothing about it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ReviewError(pub String);

/// Checks tokens.
pub trait TokenReviewer: Send + Sync + 'static {
    /// `None` for a token that is not valid for us.
    fn review(&self, token: &str) -> impl Future<Output = Result<Option<Caller>, ReviewError>> + Send;
}

/// Asks the API server.
pub struct KubeReviewer(pub Client);

impl TokenReviewer for KubeReviewer {
    async fn review(&self, token: &str) -> Result<Option<Caller>, ReviewError> {
        let api: Api<TokenReview> = Api::all(self.0.clone());
        let review = TokenReview {
            spec: TokenReviewSpec { audiences: Some(vec![TOKEN_AUDIENCE.into()]), token: token.into() },
            ..TokenReview::default()
        };
        let reviewed = timeout(REVIEW_TIMEOUT, api.create(&PostParams::default(), &review))
            .await
            .map_err(|_| ReviewError("the API server did not answer within 10 s".into()))?
            .map_err(|error| match error {
                kube::Error::Api(status) if status.is_forbidden() => ReviewError(
                    "the operator's ClusterRole lacks the verb create on tokenreviews.authentication.k8s.io"
                        .into(),
                ),
                // The text of other errors could repeat the request.
                _ => ReviewError("the API server could not be asked".into()),
            })?;
        Ok(caller_of(reviewed.status.unwrap_or_default()))
    }
}

fn caller_of(status: TokenReviewStatus) -> Option<Caller> {
    let TokenReviewStatus { audiences, authenticated, error: _, user } = status;
    // An API server that does not know audiences leaves them out: such a token could be anyone's.
    let is_for_us =
        audiences.is_some_and(|audiences| audiences.iter().any(|audience| audience == TOKEN_AUDIENCE));
    if authenticated != Some(true) || !is_for_us {
        return None;
    }
    let user = user?;
    let pod =
        user.extra.and_then(|mut extra| extra.remove(POD_NAME)).and_then(|names| names.into_iter().next());
    Some(Caller { username: user.username?, pod })
}

/// As the API server calls a ServiceAccount.
pub fn username(account: &NamespacedName) -> String {
    format!("system:serviceaccount:{}:{}", account.namespace, account.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::authentication::v1::UserInfo;

    fn status(authenticated: bool, audience: &str) -> TokenReviewStatus {
        TokenReviewStatus {
            audiences: Some(vec![audience.into()]),
            authenticated: Some(authenticated),
            error: None,
            user: Some(UserInfo {
                username: Some("system:serviceaccount:a:b".into()),
                extra: Some([(POD_NAME.to_owned(), vec!["p-1".to_owned()])].into()),
                ..UserInfo::default()
            }),
        }
    }

    #[test]
    fn only_a_token_for_our_audience_counts() {
        let caller = Caller { username: "system:serviceaccount:a:b".into(), pod: Some("p-1".into()) };
        assert_eq!(caller_of(status(true, TOKEN_AUDIENCE)), Some(caller));
        assert_eq!(caller_of(status(true, "https://kubernetes.default.svc")), None);
        assert_eq!(caller_of(status(false, TOKEN_AUDIENCE)), None);
        let unaware = TokenReviewStatus { audiences: None, ..status(true, TOKEN_AUDIENCE) };
        assert_eq!(caller_of(unaware), None);
    }
}
