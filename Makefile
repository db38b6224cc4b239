# `make help` lists what there is. Everything runs in .venv, which the first target sets up.
.DEFAULT_GOAL := help
PYTHON ?= python3.11
BIN := .venv/bin
READY := .venv/ready
RUN_ARGS = $(if $(DEMAND),--demand '$(DEMAND)') $(foreach pair,$(SET),--set '$(pair)')

.PHONY: help setup run test repro paper worth city ui schedule demo-serve bench bench-serving proto check doctor clean

help:            ## list the targets
	@grep -hE '^[a-z.-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

setup: $(READY)  ## make .venv (about two minutes)

# torch first and by its exact name: an open range would pull a build of several GB.
$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt torch==2.13.0
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt \
		--config-settings editable_mode=compat -e '.[dev]'
	touch $(READY)

run: $(READY)    ## demand to report; DEMAND=file.csv for your own, SET='setting.c_u=10 ...' for settings (no spaces within one)
	@$(BIN)/ddnn run $(RUN_ARGS)

test: $(READY)   ## all tests
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

repro: $(READY)  ## the same through DVC
	@PATH="$(CURDIR)/$(BIN):$$PATH" dvc repro

paper: $(READY)  ## the paper's experiment and its claims; DEMAND=city, FILE=file.csv, SETTING='fig4b ...' for a piece
	@$(BIN)/ddnn paper $(if $(DEMAND),--demand '$(DEMAND)') $(if $(FILE),--file '$(FILE)') \
		$(foreach name,$(SETTING),--setting '$(name)') $(foreach pair,$(SET),--set '$(pair)')

worth: $(READY)  ## rolling test windows and the bars (hours, resumable); DEMAND=city, FILE=file.csv, PIECE='anchored ...'
	@$(BIN)/ddnn worth $(if $(DEMAND),--demand '$(DEMAND)') $(if $(FILE),--file '$(FILE)') \
		$(foreach name,$(PIECE),--piece '$(name)') $(foreach pair,$(SET),--set '$(pair)')

city: $(READY)   ## a DDNN for each site of a whole city, and the map; DEMAND=milano, FILE=file.csv, SET='...'
	@$(BIN)/ddnn city $(if $(DEMAND),--demand '$(DEMAND)') $(if $(FILE),--file '$(FILE)') \
		$(foreach pair,$(SET),--set '$(pair)')

ui: $(READY)     ## Prefect's and MLflow's pages on loopback
	@$(BIN)/ddnn ui

schedule: $(READY) ## retrain by schedule on a real Prefect server
	@$(BIN)/ddnn schedule $(RUN_ARGS)

demo-serve: $(READY) ## one cloud and three edges on this machine, 42 ms apart; ends by itself
	@$(BIN)/ddnn demo-serve

bench: $(READY)  ## training windows per second of the whole machine, against plain torch (ten minutes, idle)
	$(BIN)/python -m benchmarks.training_speed

bench-serving: $(READY) ## edge and cloud against their bars, on artefacts/ (half an hour, idle)
	$(BIN)/python -m benchmarks.serving

dvc.yaml: $(READY) FORCE ## write dvc.yaml anew after a change of imports or stages
	@$(BIN)/ddnn dvc-yaml

proto: $(READY)  ## generate the code of ddnn/runtime/ddnn.proto anew
	$(BIN)/python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. --grpc_python_out=. \
		ddnn/runtime/ddnn.proto

check: $(READY)  ## what pre-commit and CI check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PYTHONPATH=. $(BIN)/lint-imports

doctor: $(READY) ## what this machine has, and what is missing
	@$(BIN)/ddnn doctor

clean:           ## remove stored stages and outputs; keeps MLflow's and Prefect's history
	rm -rf .ddnn/store .ddnn/scratch artefacts

.PHONY: FORCE
