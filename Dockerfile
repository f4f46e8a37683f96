# One image for the API, the workers and the one-shot steps; docker-compose.yml says which.

FROM python:3.13-slim AS build
WORKDIR /app
RUN python -m venv /venv
# What the service needs, in the versions and with the hashes of the lock, which also knows the
# development tools and the local servers.
COPY pyproject.toml requirements.lock ./
RUN python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'], sep='\n')" > runtime.txt \
    && /venv/bin/pip install --no-cache-dir --only-binary=:all: -r runtime.txt -c requirements.lock
COPY settings.py worker.py cli.py collector.py ./
COPY domain domain
COPY sources sources
COPY egress egress
COPY integrations integrations
COPY storage storage
COPY activities activities
COPY workflows workflows
COPY api api
RUN /venv/bin/python -m compileall -q .

FROM python:3.13-slim
# Owned by the service, since volumes that are mounted here take over owner and mode.
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin firelater \
    && install -d -o firelater -g firelater -m 0700 /var/lib/firelater
COPY --from=build /venv /venv
COPY --from=build /app /app
ENV PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /app
USER 10001:10001
CMD ["python", "-m", "api"]
