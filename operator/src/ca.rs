//! The CA in the cluster: its Secret, and the ConfigMap that proxies read it from.

use std::collections::BTreeMap;
use std::time::SystemTime;

use anyhow::{Context, bail};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};

use crate::settings::NamespacedName;
use crate::tls::Authority;

const CERTIFICATE: &str = "ca.crt";
const KEY: &str = "ca.key";

/// The CA of this Secret; made and stored when there is none.
pub async fn get_or_create(client: &Client, secret: &NamespacedName) -> anyhow::Result<Authority> {
    let api: Api<Secret> = Api::namespaced(client.clone(), &secret.namespace);
    let reading = || format!("reading the CA Secret {secret} (the operator needs `get` on it)");
    if let Some(stored) = api.get_opt(&secret.name).await.with_context(reading)? {
        return read(&stored, secret);
    }
    let made = Authority::generate(SystemTime::now())?;
    match api.create(&PostParams::default(), &as_secret(&made, secret)).await {
        Ok(_) => {
            tracing::info!(%secret, "made a CA");
            Ok(made)
        }
        // Another replica was quicker: its CA is the CA.
        Err(kube::Error::Api(error)) if error.is_already_exists() => {
            read(&api.get(&secret.name).await.with_context(reading)?, secret)
        }
        Err(error) => Err(error).with_context(|| {
            format!(
                "creating the CA Secret {secret} (the namespace must exist, and the operator needs `create`)"
            )
        }),
    }
}

fn as_secret(authority: &Authority, name: &NamespacedName) -> Secret {
    let entry = |text: String| ByteString(text.into_bytes());
    Secret {
        metadata: ObjectMeta {
            name: Some(name.name.clone()),
            namespace: Some(name.namespace.clone()),
            ..ObjectMeta::default()
        },
        data: Some(BTreeMap::from([
            (CERTIFICATE.to_owned(), entry(authority.certificate_pem.clone())),
            (KEY.to_owned(), entry(authority.key_pem())),
        ])),
        ..Secret::default()
    }
}

fn read(stored: &Secret, name: &NamespacedName) -> anyhow::Result<Authority> {
    let entry = |entry: &str| {
        let value = stored.data.as_ref().and_then(|data| data.get(entry));
        let Some(value) = value else {
            bail!(
                "the CA Secret {name} has no entry {entry}; delete the Secret, and the operator makes a new CA"
            )
        };
        std::str::from_utf8(&value.0)
            .with_context(|| format!("entry {entry} of the CA Secret {name} is not text"))
    };
    Authority::from_pem(entry(CERTIFICATE)?, entry(KEY)?).with_context(|| {
        format!("the CA Secret {name} cannot be used; delete it, and the operator makes a new CA")
    })
}

/// Puts the CA's certificate where the proxies read it.
pub async fn publish(
    client: &Client,
    configmap: &NamespacedName,
    authority: &Authority,
) -> anyhow::Result<()> {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), &configmap.namespace);
    let content = ConfigMap {
        metadata: ObjectMeta { name: Some(configmap.name.clone()), ..ObjectMeta::default() },
        data: Some(BTreeMap::from([(CERTIFICATE.to_owned(), authority.certificate_pem.clone())])),
        ..ConfigMap::default()
    };
    let params = PatchParams::apply("penstock-operator").force();
    api.patch(&configmap.name, &params, &Patch::Apply(&content)).await.with_context(|| {
        format!("writing the CA to the ConfigMap {configmap} (the operator needs `patch` and `create` on it)")
    })?;
    Ok(())
}
