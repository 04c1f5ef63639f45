# Controller, dashboard and command in one image: `node src/controller/main.ts`, `node src/dashboard/main.ts`, `cnn-sweep plan sweep.yaml`.
#   docker build -t cnn-sweep .
# Certificate authorities and registries of a company: as in Dockerfile.trainer.
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS packages
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ca-certificates npm \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb
ARG NODE_EXTRA_CA_CERTS
ARG npm_config_registry
WORKDIR /app
COPY .npmrc package.json package-lock.json ./
# Node.js is one of the optional packages, and runs everything from here on, npm too.
RUN npm ci --omit=dev --loglevel=error --no-progress \
 && install node_modules/node-linux-*/bin/node /usr/local/bin/node \
 && rm -rf /root/.npm

# The browser's page. Debian's Node.js, older than what builds it asks for, would have left half of that out.
FROM packages AS page
ARG NODE_EXTRA_CA_CERTS
ARG npm_config_registry
RUN npm ci --loglevel=error --no-progress && rm -rf /root/.npm
COPY src src
RUN npm run page

# TensorFlow's binding, the other optional package, belongs to the trainer.
FROM packages AS build
RUN npm prune --omit=dev --omit=optional --loglevel=error \
 && rm -rf node_modules/.bin/node \
 && find node_modules -type f \( -name '*.map' -o -name '*.d.[cm]ts' -o -name '*.d.ts' -o -name '*.md' \
      -o -path '*/@tensorflow/*' \( -name '*.fesm*' -o -name '*.es2017*' -o -name '*.min.js*' \) \) -delete

FROM ${BASE} AS source
COPY package.json LICENSE /app/
COPY bin /app/bin
COPY src /app/src
COPY --from=page /app/dist /app/dist
# The page's own sources are not served. Whatever the checkout's umask: everybody may read, nobody but root may write.
RUN rm -rf /app/src/dashboard/page && chmod -R u=rwX,go=rX /app && chmod 755 /app/bin/*

FROM ${BASE}
# The base leaves three folders open to all; a Pod gets /tmp, as a volume.
RUN chmod 755 /var/tmp /run/lock
COPY --from=build /usr/local/bin/node /usr/local/bin/node
COPY --from=build /app/node_modules /app/node_modules
COPY --from=source /app /app

ENV NODE_ENV=production HOME=/tmp PATH=/app/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
WORKDIR /app
USER 65532:65532
CMD ["cnn-sweep", "--help"]

ARG BASE
ARG VERSION=0.0.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="cnn-sweep" \
      org.opencontainers.image.description="Controller, dashboard and command of cnn-sweep: sweeps over convolutional networks" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${BASE}"
