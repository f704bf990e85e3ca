//! The operator's life from start to end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use anyhow::Context;
use kube::Client;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::api_error::describe;
use crate::backoff::Backoff;
use crate::ca;
use crate::catalogue::{self, CatalogueWatch};
use crate::engine::{self, Engine};
use crate::health;
use crate::metrics::Metrics;
use crate::publisher::Publisher;
use crate::push::{self, KubeReviewer, Push};
use crate::secrets::SecretWatches;
use crate::settings::Settings;
use crate::status::{self, StatusWriter};
use crate::tls::{Authority, Serving, server_config};
use crate::watch as watches;

/// The API server may come up after the operator does.
const START_PATIENCE: Duration = Duration::from_secs(30);
/// The serving certificate is valid for a year, and made anew each day: then nothing depends on a moment far away.
const REISSUE: Duration = Duration::from_secs(24 * 3600);
const REPUBLISH_CA: Duration = Duration::from_secs(600);

/// Runs until `shutdown` resolves. A TLS provider must have been installed.
///
/// # Errors
/// The operator cannot start; the text says why and what to do.
pub async fn run(settings: Settings, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
    let client_auth = settings.client_auth().map_err(anyhow::Error::msg)?;
    let metrics = Metrics::new()?;
    let (synced, _) = watch::channel(false);
    let push_is_up = Arc::new(AtomicBool::new(false));
    let mut tasks = JoinSet::new();

    let health_listener = bind("health", settings.health_listen).await?;
    tasks.spawn(health::serve(health_listener, metrics.clone(), readiness(&synced, &push_is_up)));

    let client = Client::try_default().await.context("no Kubernetes API server is configured")?;
    let authority = Arc::new(prepare_ca(&client, &settings).await?);
    let serving = Arc::new(Serving::new(authority.issue(&settings.push_hostnames, SystemTime::now())?));

    let changes = Arc::new(watches::Changes::default());
    let publisher =
        Arc::new(Publisher::new(settings.proxy_lost_grace, Arc::clone(&changes), metrics.clone()));
    let (down, shutting_down) = watch::channel(false);
    let push = Push {
        publisher: Arc::clone(&publisher),
        reviewer: KubeReviewer(client.clone()),
        accounts: settings.proxy_service_accounts.clone(),
        shutdown: shutting_down,
    };
    let push_listener = bind("push", settings.push_listen).await?;
    let pushing = tokio::spawn(push::serve(push_listener, server_config(Arc::clone(&serving)), push));
    push_is_up.store(true, Ordering::Relaxed);

    let stores = watches::start(&client, &settings.watch_namespaces, &changes, &mut tasks);
    tasks.spawn(status::run(
        StatusWriter {
            client: client.clone(),
            stores: stores.clone(),
            publisher: Arc::clone(&publisher),
            changes: Arc::clone(&changes),
            metrics,
        },
        synced.subscribe(),
    ));
    let secrets = SecretWatches::new(client.clone(), Arc::clone(&changes));
    let catalogue = match &settings.catalogue_configmap {
        None => CatalogueWatch::none(),
        Some(name) => {
            let watch = CatalogueWatch::unread();
            tasks.spawn(catalogue::follow(client.clone(), name.clone(), watch.clone(), Arc::clone(&changes)));
            watch
        }
    };
    tasks.spawn(engine::run(Engine { stores, secrets, catalogue, client_auth, changes, publisher, synced }));
    tasks.spawn(keep_certificate(Arc::clone(&authority), serving, settings.push_hostnames.clone()));
    tasks.spawn(keep_ca_published(client, authority, settings));

    let ended = tokio::select! {
        () = shutdown => Ok(()),
        // None of them ends by itself: a panic is the only way.
        Some(ended) = tasks.join_next() => Err(anyhow::anyhow!("a part of the operator stopped: {ended:?}")),
    };
    tracing::info!("shutting down; proxies go on serving what they have");
    down.send_replace(true);
    tasks.abort_all();
    let _ = pushing.await;
    ended
}

fn readiness(synced: &watch::Sender<bool>, push_is_up: &Arc<AtomicBool>) -> health::Ready {
    let (synced, push_is_up) = (synced.subscribe(), Arc::clone(push_is_up));
    Arc::new(move || {
        if !push_is_up.load(Ordering::Relaxed) {
            return Err("the push listener is not up yet");
        }
        if !*synced.borrow() {
            return Err("not every resource and Secret has been read yet");
        }
        Ok(())
    })
}

async fn bind(what: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    let listener =
        TcpListener::bind(address).await.with_context(|| format!("listening on {address} ({what})"))?;
    let address = listener.local_addr()?;
    tracing::info!(%address, "{what} listening");
    Ok(listener)
}

/// Gets the CA and publishes it, with patience for an API server that is not there yet but none for a refusal.
async fn prepare_ca(client: &Client, settings: &Settings) -> anyhow::Result<Authority> {
    let mut backoff = Backoff::api();
    let deadline = tokio::time::Instant::now() + START_PATIENCE;
    loop {
        let attempt = async {
            let authority = ca::get_or_create(client, &settings.ca_secret).await?;
            ca::publish(client, &settings.ca_configmap, &authority).await?;
            anyhow::Ok(authority)
        };
        let attempt = tokio::time::timeout(Duration::from_secs(10), attempt).await;
        let error = match attempt {
            Ok(Ok(authority)) => return Ok(authority),
            Ok(Err(error)) if !may_pass(&error) => return Err(error),
            Ok(Err(error)) => error,
            Err(_) => anyhow::anyhow!("the API server did not answer within 10 s"),
        };
        if tokio::time::Instant::now() > deadline {
            return Err(error);
        }
        tracing::warn!(error = describe(error.as_ref()), "the API server is not there yet; trying again");
        tokio::time::sleep(backoff.next().unwrap_or_default()).await;
    }
}

/// Connection errors and 5xx pass by themselves; a 403 or a broken Secret does not.
fn may_pass(error: &anyhow::Error) -> bool {
    match error.downcast_ref::<kube::Error>() {
        Some(kube::Error::Api(status)) => status.code >= 500 || status.code == 429,
        Some(_) => true,
        None => false,
    }
}

async fn keep_certificate(authority: Arc<Authority>, serving: Arc<Serving>, hostnames: Vec<String>) {
    loop {
        tokio::time::sleep(REISSUE).await;
        match authority.issue(&hostnames, SystemTime::now()) {
            Ok(key) => serving.replace(key),
            Err(error) => tracing::error!(error = describe(error.as_ref()), "no new serving certificate"),
        }
    }
}

/// Mends the ConfigMap when somebody deletes or edits it.
async fn keep_ca_published(client: Client, authority: Arc<Authority>, settings: Settings) {
    loop {
        tokio::time::sleep(REPUBLISH_CA).await;
        if let Err(error) = ca::publish(&client, &settings.ca_configmap, &authority).await {
            tracing::warn!(error = describe(error.as_ref()), "the CA could not be published again");
        }
    }
}
