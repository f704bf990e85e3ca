//! The data plane without a cluster: `penstock up` on manifests, providers played by the replay
//! server, clients raw and through the official SDKs.

mod breaker;
mod committed;
mod disconnect;
mod drills;
mod endpoints;
mod explain;
mod failover;
mod faults;
mod gateway;
mod hooks;
mod input;
mod keys;
mod media;
mod metering;
mod parameters;
mod passthrough;
mod plain_client;
mod reencoded;
mod refusal;
mod reload;
mod retries;
mod rules;
mod sdk;
mod sdk_errors;
mod sdk_providers;
mod sdk_recorded;
mod sdk_turns;
mod sent;
mod storm;
mod wire;
