# docker build -t sartor .
# docker run --rm -p 4900:4900 --read-only --tmpfs /tmp -v sartor:/data sartor
FROM python:3.13-slim-bookworm AS build
ARG EXTRAS=postgres,uvloop,oidc,tls,console
# where pip finds more, such as torch without CUDA: https://download.pytorch.org/whl/cpu
ARG PIP_EXTRA_INDEX_URL=
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /source
COPY . /source/
# pip stays behind; the package's own build is pinned too
RUN python -m venv --without-pip /opt/sartor && \
    PIP_BUILD_CONSTRAINT=constraints/all.txt python -m pip --python /opt/sartor/bin/python install \
      --constraint constraints/all.txt ".[$EXTRAS]"

FROM python:3.13-slim-bookworm
COPY --from=build /opt/sartor /opt/sartor
RUN install -d -o 10001 -g 10001 -m 700 /data
ENV PATH=/opt/sartor/bin:$PATH SARTOR_HOST=0.0.0.0 SARTOR_PORT=4900 SARTOR_DATA=/data/sartor
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 4900
# a worker has no port: run it with --no-healthcheck
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ['SARTOR_PORT'] + '/livez', timeout=4)"]
ENTRYPOINT ["sartor"]
CMD ["serve"]
