# GNU ld as oracle for krtld. Included by the Makefile.

##test-oracle   krtld against GNU ld on a few dozen objects
##corpus        krtld against GNU ld on 7,500 objects (fetches 90 MB once); ONLY= JOBS=2 KERNEL=package
.PHONY: test-oracle corpus
test-oracle: build/bin/krtld
	@$(PYTHON) tests/run.py oracle

corpus: all
	@for t in apt-get dpkg-deb g++ clang++ nasm; do command -v $$t >/dev/null || \
		{ echo "corpus: $$t is missing: run \`make setup corpus'" >&2; exit 2; }; done
	@nice -n 10 $(PYTHON) tests/oracle/corpus.py --only '$(ONLY)' \
		$(if $(JOBS),--jobs '$(JOBS)') $(if $(KERNEL),--kernel '$(KERNEL)')
