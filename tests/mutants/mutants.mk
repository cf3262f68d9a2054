# `make mutants`: small changes to the sources, each of which a test must notice. Everything lies in
# build/mutants/. Included by the Makefile.

##mutants       changes the sources in small ways, in a copy: a test must notice each; ONLY= FILTER= JOBS=
.PHONY: mutants
mutants: all tests-built
	@$(PYTHON) tests/mutants/run.py --only '$(ONLY)' --filter '$(FILTER)' --jobs '$(or $(JOBS),1)'
