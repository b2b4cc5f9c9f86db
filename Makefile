.DEFAULT_GOAL := help
PYTHON := .venv/bin/python

help: ## list the targets
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

run: ## set up this machine and run the example: HTTP on 8080, a job pipeline, PHP workers
	@.ci/setup run
	@.venv/bin/rrjobs run -c config/any.yaml

test: ## set up this machine and run all tests, in TEST_PROCESSES=4 processes side by side
	@.ci/setup test
	@$(PYTHON) -m pytest -q -n $${TEST_PROCESSES:-4} --dist loadgroup
	@if [ -f php/phpunit.xml ]; then phpunit -c php/phpunit.xml; fi

check: ## formatting, lint, types
	@.ci/setup test
	@.venv/bin/ruff format --check rrjobs tests
	@.venv/bin/ruff check rrjobs tests
	@.venv/bin/mypy --strict rrjobs

bench: ## measure beside the peers; the environment variables are in tests/bench/run.py
	@.ci/setup bench
	@PYTHONPATH=. $(PYTHON) -m tests.bench.run

servers: ## start RabbitMQ, Kafka, SQS, NATS and beanstalkd for development; docs/servers.md
	@.ci/setup test
	@PYTHONPATH=tests $(PYTHON) -m servers run

doctor: ## say what this machine misses for the servers and the example
	@PYTHONPATH=tests $(PYTHON) -m servers doctor
	@.venv/bin/rrjobs -c config/any.yaml doctor

soak: ## the long legs of the fault tests: kills, resets, leaks, brokers, models; an hour, SOAK_S=seconds of the longest
	@.ci/setup test
	@SOAK_ROUNDS=$${SOAK_ROUNDS:-34} SOAK_BROKER_ROUNDS=$${SOAK_BROKER_ROUNDS:-5} SOAK_RESETS=$${SOAK_RESETS:-200} SOAK_S=$${SOAK_S:-600} SOAK_EXAMPLES=$${SOAK_EXAMPLES:-3000} SOAK_SEEDS=$${SOAK_SEEDS:-200} SOAK_JITTER=$${SOAK_JITTER:-2000} \
		$(PYTHON) -m pytest -v -s -m soak --timeout 3600

lock: ## compile the locked requirements again
	@.venv/bin/python -m pip install -q uv
	@.venv/bin/uv pip compile -q --generate-hashes --no-emit-index-url --no-header --universal --python-version 3.11 pyproject.toml -o requirements.txt
	@.venv/bin/uv pip compile -q --generate-hashes --no-emit-index-url --no-header --universal --python-version 3.11 --extra dev pyproject.toml -o requirements-dev.txt
	@.venv/bin/uv pip compile -q --generate-hashes --no-emit-index-url --no-header --universal --python-version 3.11 tests/servers/ministack.in -o tests/servers/ministack.txt

.PHONY: help run test check bench servers doctor soak lock
