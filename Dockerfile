# Strongroom's image in two stages: the first holds pip and a build backend, the second neither.
ARG PYTHON_IMAGE=python:3.13-slim-trixie

FROM ${PYTHON_IMAGE} AS build
# Which lock is installed: server, or providers where the master key lies in AWS KMS or in an HSM (boto3, python-pkcs11).
ARG LOCK=server
WORKDIR /src
COPY deploy/requirements/build.txt deploy/requirements/server.txt deploy/requirements/providers.txt ./
# Only wheels with known hashes: nothing is compiled, and no package's own code runs while it is installed.
RUN python -m venv /opt/build \
    && /opt/build/bin/pip install --no-cache-dir --only-binary :all: --require-hashes -r build.txt \
    && python -m venv --without-pip /opt/strongroom \
    && /opt/build/bin/pip --python /opt/strongroom/bin/python install \
        --no-cache-dir --only-binary :all: --require-hashes -r "${LOCK}.txt"
COPY pyproject.toml setup.cfg README.md LICENSE ./
COPY vault vault
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
    && /opt/build/bin/pip --python /opt/strongroom/bin/python install --no-index --no-deps /wheels/*.whl

FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="Strongroom" \
      org.opencontainers.image.description="An encrypted vault for environment variables" \
      org.opencontainers.image.licenses="Apache-2.0 AND BSD-3-Clause AND MIT"
# The numbers are fixed, so that volumes keep their owner from one image to the next. The two directories are two
# volumes: whoever copies the data must not get the keys with them.
RUN groupadd --gid 10001 strongroom \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin strongroom \
    && install -d -o 10001 -g 10001 -m 0700 /var/lib/strongroom /var/lib/strongroom-keyring
COPY --from=build /opt/strongroom /opt/strongroom
ENV PATH=/opt/strongroom/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    STRONGROOM_BIND=0.0.0.0:8443 \
    STRONGROOM_DATA_DIR=/var/lib/strongroom \
    STRONGROOM_KEYRING=/var/lib/strongroom-keyring/master.json
USER 10001:10001
WORKDIR /var/lib/strongroom
VOLUME ["/var/lib/strongroom", "/var/lib/strongroom-keyring"]
EXPOSE 8443
# The certificate is not checked: this asks the process next door whether it lives, and tells it nothing.
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["/opt/strongroom/bin/python", "-c", "import ssl, urllib.request; urllib.request.urlopen('https://127.0.0.1:8443/livez', timeout=4, context=ssl._create_unverified_context())"]
ENTRYPOINT ["strongroom"]
CMD ["serve"]
