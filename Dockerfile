# rrjobs with PHP, running the example unless told otherwise.
FROM python:3.12.8-slim-bookworm
RUN apt-get update \
 && apt-get install -y --no-install-recommends php-cli php-mbstring \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY requirements.txt .
RUN pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.txt
COPY rrjobs rrjobs
COPY php php
COPY config config
EXPOSE 8080 2114
ENTRYPOINT ["python", "-m", "rrjobs"]
CMD ["-c", "config/any.yaml", "run"]
