# Two images from one build: docker build --target operator -t penstock/operator:0.1.0 .
#                            docker build --target proxy    -t penstock/proxy:0.1.0 .
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked -p penstock-operator -p penstock-proxy

FROM gcr.io/distroless/cc-debian12:nonroot AS operator
COPY --from=build /src/target/release/penstock-operator /penstock-operator
USER 65532:65532
ENTRYPOINT ["/penstock-operator"]

FROM gcr.io/distroless/cc-debian12:nonroot AS proxy
COPY --from=build /src/target/release/penstock-proxy /penstock-proxy
USER 65532:65532
ENTRYPOINT ["/penstock-proxy"]
