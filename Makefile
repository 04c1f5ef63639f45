# The front door. Each target installs what it needs and calls an npm script; all logic is there.
SWEEP ?= k8s/samples/quick.yaml
installed := node_modules/.package-lock.json
page := dist/page/index.html
page_sources := $(shell find src/dashboard/page src/report src/sweep -type f) src/dashboard/api.ts

.DEFAULT_GOAL := help
.PHONY: help install run test check campaign bench bench-cluster bench-live native cluster generate clean

help: ## say what each target does
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 15
	@echo 'SWEEP=file make run: another sweep than $(SWEEP)'
	@echo 'CNN_SWEEP_TEST_KUBECONFIG=file make test: tests that need no more than nodes use that cluster'

install: $(page) ## install the packages and build the page, nothing else

run: $(page) ## train the quick sweep on real CIFAR-10 and name the best model that does not overfit
	@bin/cnn-sweep run '$(SWEEP)'

test: $(page) ## run the tests; as root on Debian it installs the browser and the terminal that some need
	@npm run --silent test:tools
	@npm run --silent test

campaign: $(installed) ## run the long tests, a night's work: SEEDS=100000 of the simulation, SCRIPTS=500 on the model of the API server, OUTAGE=300 seconds
	@npm run --silent test:tools
	@npm run --silent campaign -- $(if $(SEEDS),--seeds $(SEEDS)) $(if $(SCRIPTS),--scripts $(SCRIPTS)) $(if $(OUTAGE),--outage-seconds $(OUTAGE))

check: $(installed) ## format, lint and types
	@npm run --silent lint
	@npm run --silent types

bench: $(installed) ## measure speed, overhead and memory against their rivals; writes bench/results.json
	@npm run --silent bench

bench-cluster: $(installed) ## measure the controller on a real control plane with fake nodes; writes bench/results-cluster.json
	@npm run --silent test:tools
	@npm run --silent bench:cluster

bench-live: $(page) ## measure bus, dashboard and page with real servers and a real browser; writes bench/results-live.json
	@npm run --silent test:tools
	@npm run --silent bench:live

native: $(installed) ## compile the fastest CPU backend against the TensorFlow wheel (Python 3 and g++ needed; WHEEL='tensorflow[and-cuda]' for a GPU)
	@npm run --silent native -- $(if $(WHEEL),'$(WHEEL)')

cluster: $(installed) ## a shell with a real Kubernetes cluster of its own (root on Debian; FAKE_NODES=10: nodes that only seem to run Pods, no root)
	@npm run --silent test:tools
	@npm run --silent cluster -- $(FAKE_NODES)

generate: $(installed) ## write again what is generated: CRDs, reference pages, k8s/cnn-sweep.yaml
	@npm run --silent generate

clean: ## remove what was installed and built here; runs and the cache of data sets stay
	rm -rf node_modules dist

$(page): $(installed) $(page_sources) package.json
	@npm run --silent page
	@touch $@

$(installed): package.json package-lock.json
	@echo 'installing packages, once'
	@npm ci --loglevel=error --no-progress --no-update-notifier
	@touch $@
