FROM debian:12.8-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends beanstalkd \
 && rm -rf /var/lib/apt/lists/*
ENTRYPOINT ["/usr/bin/beanstalkd"]
