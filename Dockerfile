# syntax=docker/dockerfile:1
# Docker's default seccomp profile forbids io_uring, which the server needs. Run the image with:
#   docker run --security-opt seccomp=unconfined --ulimit memlock=-1 --ulimit nofile=65536 \
#     --stop-timeout 45 --network host IMAGE
# or name a profile that allows io_uring_setup, io_uring_enter and io_uring_register; see docs/operating.md.

FROM rust:1.95.0-slim-bookworm AS build
# glommio builds liburing: it wants a C compiler and git.
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc git libc6-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY . .
RUN cargo build --release --locked --bin signal-fish-relay

FROM debian:bookworm-slim
RUN useradd --system --no-create-home --shell /usr/sbin/nologin signal-fish
COPY --from=build /build/target/release/signal-fish-relay /usr/local/bin/signal-fish-relay
USER signal-fish
EXPOSE 3536
STOPSIGNAL SIGTERM
ENTRYPOINT ["signal-fish-relay"]
