# sbertd: semantic search as a Unix service. `make help` lists the targets.

VERSION := 0.1.0

MODE  ?= release
BUILD ?= build
O     := $(BUILD)/$(MODE)
BIN   := $(if $(filter release,$(MODE)),$(BUILD)/bin,$(O)/bin)
# The programs look for FAISS in ../lib/sbertd beside themselves, here as after `make install`.
LIB   := $(dir $(BIN))lib/sbertd

PREFIX ?= /usr/local
CACHE  ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/sbertd
FAISS  ?= $(CACHE)/faiss-1.7.3
CC     ?= gcc
CXX    ?= g++

BUILD_PACKAGES := gcc g++ libc6-dev make cmake pkg-config dpkg-dev ca-certificates util-linux \
    libopenblas-dev libsqlite3-dev libutf8proc-dev libmicrohttpd-dev libjansson-dev \
    libcurl4-openssl-dev libssl-dev libzip-dev libxxhash-dev
CHECK_PACKAGES := libcmocka-dev curl python3 python3-pytest python3-numpy python3-hypothesis
DEMO_PACKAGES  := python3 python3-pip

# `make V=1` shows whole commands.
Q   := $(if $(V),,@)
say  = $(if $(V),,@echo '  $(1)')

# --- flags ---

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wvla -Wwrite-strings \
    -Wno-unknown-pragmas $(if $(WERROR),-Werror)
CPPFLAGS += -I. -D_GNU_SOURCE -DSBERTD_VERSION='"$(VERSION)"'
SANITIZE_asan := -fsanitize=address,undefined -fno-sanitize-recover=undefined \
    -fno-omit-frame-pointer
SANITIZE_tsan := -fsanitize=thread -fno-omit-frame-pointer
SANITIZE := $(SANITIZE_$(MODE))
OPTIMIZE := $(if $(SANITIZE),-O1,-O2 -D_FORTIFY_SOURCE=2 -fstack-protector-strong)
COMMON   := $(OPTIMIZE) -g -fno-math-errno -ffp-contract=off -pthread $(SANITIZE) \
    $(if $(FUZZ_ENGINE),-fsanitize=fuzzer-no-link)
CFLAGS   += -std=gnu11 $(COMMON) $(WARNINGS) -Wstrict-prototypes -Wmissing-prototypes
# What is C++ is linked by the C compiler, which leaves out the runtime of these checks.
CXXFLAGS += -std=gnu++17 $(COMMON) $(WARNINGS) \
    $(if $(SANITIZE),-fno-sanitize=vptr $(if $(findstring clang,$(CXX)),-fno-sanitize=function))
LDFLAGS  += -pthread $(SANITIZE) -Wl,--as-needed

LIBS_base    := -lcrypto -ljansson -lm
LIBS_encoder := -lopenblas -lutf8proc -lxxhash $(LIBS_base)
LIBS_index   := -L$(FAISS)/lib -Wl,-rpath-link,$(FAISS)/lib -lfaiss_c -lfaiss -lgomp -lopenblas \
    -lxxhash -lstdc++ $(LIBS_base)
LIBS_storage := -lsqlite3 $(LIBS_base)
LIBS_daemon  := -lmicrohttpd $(LIBS_index) $(LIBS_storage) $(LIBS_encoder)
LIBS_cli     := -lcurl -lzip $(LIBS_daemon)

# --- sources: a room is a folder and becomes an archive; a program is daemon/sbertd.c or
# --- cli/sbert-*.c; each further file of a room goes into its archive ---

ROOMS := base encoder index storage daemon cli
PROGRAMS := $(basename $(notdir $(wildcard daemon/sbertd.c cli/sbert-*.c)))
sources = $(filter-out daemon/sbertd.c cli/sbert-%.c, \
    $(wildcard $(1)/*.c $(1)/*/*.c $(1)/*.cpp $(1)/*/*.cpp))
objects = $(addprefix $(O)/,$(addsuffix .o,$(call sources,$(1))))
archives = $(foreach room,$(1),$(O)/lib$(room).a)

# What a room's tests and programs link, the room itself first.
LINK_base    := base
LINK_encoder := encoder base
LINK_index   := index base
LINK_storage := storage base
LINK_daemon  := daemon index storage encoder base
LINK_cli     := cli daemon index storage encoder base

UNIT_TESTS := $(wildcard tests/unit/*/test_*.c)
UNIT_BINS  := $(patsubst tests/unit/%.c,$(O)/tests/%,$(UNIT_TESTS))
# `make fuzz FUZZ_ONLY="cli/link daemon/request"` takes these alone.
FUZZERS    := $(or $(foreach name,$(FUZZ_ONLY),tests/fuzz/$(dir $(name))fuzz_$(notdir $(name)).c), \
    $(wildcard tests/fuzz/*/fuzz_*.c))
FUZZ_BINS  := $(patsubst tests/fuzz/%.c,$(O)/fuzz/%,$(FUZZERS))
BENCHES    := $(wildcard tests/bench/*/bench_*.c)
BENCH_BINS := $(patsubst tests/bench/%.c,$(O)/bench/%,$(BENCHES))

.PHONY: all
all: $(addprefix $(BIN)/,$(PROGRAMS)) ## build the programs into build/bin (installs nothing)

.DELETE_ON_ERROR:
.SECONDARY:

# --- rules ---

# Every object waits for the dependencies to be there, so that what is missing is named once and
# with its cure instead of as a page of compiler errors.
DEPS_OK := $(BUILD)/deps.ok
$(DEPS_OK): Makefile base/deps.sh
	@FAISS='$(FAISS)' base/deps.sh check $(BUILD_PACKAGES)
	@mkdir -p $(@D) && touch $@

# Only these files are compiled for newer instruction sets; what runs is picked at start.
$(O)/%_avx2.c.o: CFLAGS += -O3 -mavx2 -mfma -mf16c
$(O)/%_avx512.c.o: CFLAGS += -O3 -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx2 -mfma
$(O)/%_avxvnni.c.o: CFLAGS += -O3 -mavx2 -mfma
$(O)/%_avx512vnni.c.o: CFLAGS += -O3 -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx2 -mfma
$(O)/%_avx512bf16.c.o: CFLAGS += -O3 -mavx512f -mavx512bw -mavx512vl -mavx512dq \
    -mavx512bf16 -mavx2 -mfma
$(O)/%_generic.c.o: CFLAGS += -O3
$(O)/index/%.o: CPPFLAGS += -isystem $(FAISS)/include
# FAISS's C++ headers want omp.h, which clang may lack.
$(O)/index/%.cpp.o: CPPFLAGS += -idirafter index/faiss/clang

$(O)/%.c.o: %.c | $(DEPS_OK)
	@mkdir -p $(@D)
	$(call say,CC   $<)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

$(O)/%.cpp.o: %.cpp | $(DEPS_OK)
	@mkdir -p $(@D)
	$(call say,CXX  $<)
	$(Q)$(CXX) $(CPPFLAGS) $(CXXFLAGS) -MMD -MP -c $< -o $@

define room_rules
$(O)/lib$(1).a: $(call objects,$(1))
	@rm -f $$@ && mkdir -p $$(@D)
	$$(call say,AR   $$@)
	$$(Q)ar rcs $$@ $$^

$(O)/tests/$(1)/%: $(O)/tests/unit/$(1)/%.c.o $(call archives,$(LINK_$(1)))
	@mkdir -p $$(@D)
	$$(call say,LINK $$@)
	$$(Q)$(CC) $(LDFLAGS) -o $$@ $$< $(call archives,$(LINK_$(1))) -lcmocka $(LIBS_$(1)) \
	    -Wl,-rpath,$(FAISS)/lib

$(O)/bench/$(1)/%: $(O)/tests/bench/$(1)/%.c.o $(call archives,$(LINK_$(1)))
	@mkdir -p $$(@D)
	$$(call say,LINK $$@)
	$$(Q)$(CC) $(LDFLAGS) -o $$@ $$< $(call archives,$(LINK_$(1))) $(LIBS_$(1)) -Wl,-rpath,$(FAISS)/lib

$(O)/fuzz/$(1)/%: $(O)/tests/fuzz/$(1)/%.c.o $(FUZZ_DRIVER) $(call archives,$(LINK_$(1)))
	@mkdir -p $$(@D)
	$$(call say,LINK $$@)
	$$(Q)$(CC) $(LDFLAGS) $(FUZZ_ENGINE) -o $$@ $$< $(FUZZ_DRIVER) $(call archives,$(LINK_$(1))) \
	    $(LIBS_$(1)) -Wl,-rpath,$(FAISS)/lib
endef
# What fault tests preload: no room's code, and never built with a sanitizer.
SYNC_SHIM := $(O)/tests/fault/sync_shim.so
$(SYNC_SHIM): tests/fault/sync_shim.c | $(DEPS_OK)
	@mkdir -p $(@D)
	$(call say,LINK $@)
	$(Q)$(CC) -std=gnu11 -O2 -g $(WARNINGS) -shared -fPIC -o $@ $< -ldl
$(filter $(O)/tests/storage/%,$(UNIT_BINS)): | $(SYNC_SHIM)
unit-bins: $(SYNC_SHIM)

# What tests/reference/*.py drive: the C side of a comparison with a Python package.
$(O)/reference/%: $(O)/tests/reference/%.c.o $(call archives,$(LINK_encoder))
	@mkdir -p $(@D)
	$(call say,LINK $@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $< $(call archives,$(LINK_encoder)) $(LIBS_encoder)

# Outside libFuzzer a small driver of ours replays a corpus and mutations of it.
FUZZ_DRIVER := $(if $(FUZZ_ENGINE),,$(O)/tests/fuzz/driver.c.o)
$(foreach room,$(ROOMS),$(eval $(call room_rules,$(room))))

$(BIN)/sbertd: $(O)/daemon/sbertd.c.o $(call archives,$(LINK_daemon)) $(LIB)/libfaiss_c.so
	@mkdir -p $(@D)
	$(call say,LINK $@)
	$(Q)$(CC) $(LDFLAGS) -Wl,-rpath,'$$ORIGIN/../lib/sbertd' -o $@ $< \
	    $(call archives,$(LINK_daemon)) $(LIBS_daemon)

$(BIN)/sbert-%: $(O)/cli/sbert-%.c.o $(call archives,$(LINK_cli)) $(LIB)/libfaiss_c.so
	@mkdir -p $(@D)
	$(call say,LINK $@)
	$(Q)$(CC) $(LDFLAGS) -Wl,-rpath,'$$ORIGIN/../lib/sbertd' -o $@ $< \
	    $(call archives,$(LINK_cli)) $(LIBS_cli)

$(LIB)/libfaiss_c.so: | $(DEPS_OK)
	@mkdir -p $(@D)
	$(Q)cp -r $(FAISS)/lib/. $(@D)

# The protocol as OpenAPI is assembled into its object.
$(O)/daemon/openapi.c.o: daemon/openapi.json

-include $(shell find $(O) -name '*.d' 2>/dev/null)

# --- getting what is needed ---

.PHONY: deps deps-check
deps: ## install the packages to build with (as root, or by sudo) and build FAISS once
	@base/deps.sh install $(BUILD_PACKAGES) $(DEPS_EXTRA)
	@index/faiss/build.sh '$(FAISS)'

deps-check: ## the same, with what the tests need
	@$(MAKE) --no-print-directory deps DEPS_EXTRA='$(CHECK_PACKAGES)'

# --- using it ---

.PHONY: demo demo-remove install uninstall clean
demo: ## from nothing to a working search service over real text, in one command
	@cli/demo.sh run '$(MAKE)' '$(BIN)' $(DEMO_PACKAGES)

demo-remove: ## stop the demo's service and remove all that the demo made
	@cli/demo.sh remove '$(BIN)'

install: all ## install below PREFIX (/usr/local), into DESTDIR if given
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib $(DESTDIR)$(PREFIX)/share/doc/sbertd
	install -m 755 $(addprefix $(BIN)/,$(PROGRAMS)) $(DESTDIR)$(PREFIX)/bin
	cp -r $(LIB) $(DESTDIR)$(PREFIX)/lib/
	install -m 644 README.md $(wildcard docs/*.md) $(DESTDIR)$(PREFIX)/share/doc/sbertd

uninstall: ## remove what install put there
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/bin/,$(PROGRAMS))
	rm -rf $(DESTDIR)$(PREFIX)/lib/sbertd $(DESTDIR)$(PREFIX)/share/doc/sbertd

clean: ## remove what was built here (the FAISS cache stays)
	rm -rf $(BUILD)

# --- testing it ---

.PHONY: check unit check-asan check-tsan fuzz-short fuzz layer-check hdr-check format lint help
check: ## build what is needed and pass all tests
	@$(MAKE) --no-print-directory deps-check
	@tests/run.sh '$(MAKE)' '$(BUILD)'

unit: $(UNIT_BINS) ## build and run the unit tests of MODE
	@tests/unit.sh $(UNIT_BINS)

check-asan: ## the unit tests under AddressSanitizer and UBSan
	@$(MAKE) --no-print-directory MODE=asan unit

check-tsan: ## the unit tests under ThreadSanitizer
	@$(MAKE) --no-print-directory MODE=tsan unit

fuzz-short: ## a few seconds of each fuzz target under AddressSanitizer
	@$(MAKE) --no-print-directory MODE=asan fuzz-bins
	@tests/fuzz/short.sh $(patsubst tests/fuzz/%.c,$(BUILD)/asan/fuzz/%,$(FUZZERS))

.PHONY: unit-bins fuzz-bins bench-bins
unit-bins: $(UNIT_BINS)
fuzz-bins: $(FUZZ_BINS)
bench-bins: $(BENCH_BINS)

FUZZ_COUNT ?= 1000000
.PHONY: fuzz-snapshot
fuzz-snapshot: ## a million altered index snapshots under AddressSanitizer (FUZZ_COUNT= for fewer)
	@$(MAKE) --no-print-directory MODE=asan $(BUILD)/asan/fuzz/index/fuzz_snapshot
	@$(BUILD)/asan/fuzz/index/fuzz_snapshot $(FUZZ_COUNT)x tests/fuzz/index/corpus/snapshot

FUZZ_SECONDS ?= 3600
fuzz: ## an hour of each fuzz target under libFuzzer (clang; FUZZ_SECONDS= for less, FUZZ_ONLY= for some)
	@$(MAKE) --no-print-directory CC=clang CXX=clang++ MODE=asan BUILD=$(BUILD)/libfuzzer \
	    FUZZ_ENGINE=-fsanitize=fuzzer fuzz-bins
	@FUZZ_SECONDS=$(FUZZ_SECONDS) tests/fuzz/long.sh \
	    $(patsubst tests/fuzz/%.c,$(BUILD)/libfuzzer/asan/fuzz/%,$(FUZZERS))

TEST_DATA    ?= $(or $(SBERTD_TEST_DATA),../shared/data)
BENCH_PYTHON ?= $(CACHE)/bench-venv/bin/python
BENCH_LINES  ?= $(TEST_DATA)/sentences/headlines_en.txt
BENCH_PEERS  := sentence-transformers==6.2.0 onnxruntime==1.32.0 openvino==2026.4.1 onnx==1.23.2 \
    ctranslate2==4.8.5 ir-measures==0.4.3
.PHONY: bench-encode bench-service bench-headline
# PEERS= and PARTS= choose some of them, by commas; BENCH_ARGS= passes any option of encode.py.
bench-encode: $(O)/bench/encoder/bench_encode $(O)/bench/encoder/bench_limit $(CACHE)/bench-venv/peers
bench-encode: ## encode beside its peers in each precision (QUICK=1: fewer lines and rounds)
	@$(BENCH_PYTHON) tests/bench/encode.py --ours $(word 1,$^) --limit $(word 2,$^) \
	    --data '$(TEST_DATA)' --cache '$(CACHE)' $(if $(QUICK),--count 1600 --rounds 2 --pairs 500) \
	    $(if $(PEERS),--peers '$(PEERS)') $(if $(PARTS),--parts '$(PARTS)') $(BENCH_ARGS)

bench-headline: all $(O)/bench/index/bench_pairs $(CACHE)/bench-venv/peers ## the most similar of 10,000 texts, beside the other ways (QUICK=1)
	@$(BENCH_PYTHON) tests/bench/headline.py --bin $(BIN) --bench-pairs $(O)/bench/index/bench_pairs \
	    --sentences '$(dir $(BENCH_LINES))' $(if $(QUICK),--quick)

PAIRS_SIZE ?= 1000000
.PHONY: bench-pairs
bench-pairs: all $(O)/bench/index/bench_pairs $(INDEX_PYTHON) ## the best pairs of PAIRS_SIZE=1000000 texts by a graph
	@$(INDEX_PYTHON) tests/bench/index/corpus.py $(BIN)/sbert-encode '$(TEST_DATA)' '$(CACHE)/bench-index' $(PAIRS_SIZE)
	@$(O)/bench/index/bench_pairs -o $$(ls '$(CACHE)'/bench-index/part-???.npy | head -n $$(($(PAIRS_SIZE) / 20000)))

.PHONY: bench-instructions
bench-instructions: $(O)/bench/encoder/bench_instructions ## count instructions against the baseline (UPDATE=1: set it)
	@/usr/bin/python3 tests/bench/instructions.py --program $< $(if $(UPDATE),--update) \
	    --compiler "$$($(CC) --version | head -n 1)"

# ONLY= chooses of sts, retrieval and duplicates; EVAL_ARGS= passes any option of eval.py.
.PHONY: eval
eval: all $(CACHE)/bench-venv/peers ## the answers' quality through the daemon, beside sentence-transformers
	@$(BENCH_PYTHON) tests/eval/eval.py --bin $(BIN) --data '$(TEST_DATA)' --cache '$(CACHE)/eval' \
	    $(if $(ONLY),--only '$(ONLY)') $(EVAL_ARGS)

# DOCUMENTS=1000000: that many with vectors given, those of bench-index; INDEX_PRECISION=int8.
bench-service: all $(O)/bench/daemon/bench_load ## time the daemon: adding, asking, many at once (DOCUMENTS=N)
	@/usr/bin/python3 tests/bench/$(if $(DOCUMENTS),service_scale.py,service.py) \
	    --bin $(BIN) --load $(O)/bench/daemon/bench_load --lines '$(BENCH_LINES)' \
	    $(if $(DOCUMENTS),--vectors '$(CACHE)/bench-index' --documents $(DOCUMENTS) \
	    --index-precision $(or $(INDEX_PRECISION),f32)) --precision $(or $(PRECISION),auto)

TRAIN_MODEL ?= $(or $(SBERT_MODELS),$(HOME)/.local/share/sbertd/models)/all-MiniLM-L6-v2
# RESUME=1 takes the figures of runs that an earlier one finished; TASKS=sts,nli,triplet and SEEDS=1,2,3.
.PHONY: bench-filters
FILTER_COUNT ?= 100000
bench-filters: all ## time filtered searches through the daemon at 100,000 documents (FILTER_COUNT=)
	@/usr/bin/python3 tests/bench/filters.py --bin $(BIN) --count $(FILTER_COUNT) \
	    --vectors '$(CACHE)/bench-index' $(BENCH_ARGS)

.PHONY: bench-train test-train-reference
bench-train: all $(BENCH_PYTHON) ## train beside sentence-transformers: STS, SICK, triplets (QUICK=1: the rate)
	@$(BENCH_PYTHON) tests/bench/train.py --ours $(BIN)/sbert-train --model '$(TRAIN_MODEL)' \
	    --data '$(TEST_DATA)' --results '$(O)/bench/train' $(if $(QUICK),--quick) $(if $(RESUME),--resume) \
	    $(if $(TASKS),--tasks '$(TASKS)') $(if $(SEEDS),--seeds '$(SEEDS)')

test-train-reference: all $(BENCH_PYTHON) ## ten steps of training beside PyTorch, and what was trained
	@$(BENCH_PYTHON) tests/reference/check_training.py $(BIN) '$(TRAIN_MODEL)'

.PHONY: test-reference
test-reference: all $(REFERENCE_PYTHON) ## vectors at true size beside sentence-transformers (REFERENCE_ARGS='--family mpnet --all-lengths')
	@$(REFERENCE_PYTHON) tests/reference/check_families.py $(BIN)/sbert-encode --data '$(TEST_DATA)' $(REFERENCE_ARGS)

$(CACHE)/bench-venv/bin/python: | $(CACHE)/bench-venv/peers ;
INDEX_PYTHON ?= $(CACHE)/bench-index-venv/bin/python
SIZES ?= 10k,100k,1m
.PHONY: bench-index
# PEERS= chooses some of them, by commas; BENCH_ARGS= passes any option of index.py.
bench-index: all $(O)/bench/index/bench_index $(INDEX_PYTHON) ## the index beside its peers (SIZES=10k,100k,1m; CHURN=10)
	@$(INDEX_PYTHON) tests/bench/index.py --ours $(O)/bench/index/bench_index \
	    --encode $(BIN)/sbert-encode --data '$(TEST_DATA)' \
	    --folder '$(CACHE)/bench-index' --sizes '$(SIZES)' $(if $(PEERS),--peers '$(PEERS)') \
	    $(if $(CHURN),--churn $(CHURN)) $(BENCH_ARGS)

$(CACHE)/bench-index-venv/bin/python:
	python3 -m venv $(CACHE)/bench-index-venv
	$(CACHE)/bench-index-venv/bin/pip install --quiet numpy==2.4.6 faiss-cpu==1.15.1 hnswlib==0.8.0 \
	    usearch==2.26.6 pgserver==0.1.4 psycopg2-binary==2.9.13

# torch first, so that what depends on it takes this one. A peer that cannot be had is named here and
# then left out.
$(CACHE)/bench-venv/peers: Makefile
	python3 -m venv $(CACHE)/bench-venv
	$(CACHE)/bench-venv/bin/pip install --quiet torch==2.13.0
	@for peer in $(BENCH_PEERS); do \
	    $(CACHE)/bench-venv/bin/pip install --quiet $$peer || echo "no $$peer here"; done
	@touch $@

REFERENCE_PYTHON   ?= $(CACHE)/reference-venv/bin/python
REFERENCE_COUNT    ?= 1000000
REFERENCE_PACKAGES := sentence-transformers==6.2.0 transformers==5.24.0 tokenizers==0.23.3 \
    sentencepiece==0.2.3 protobuf==7.36.2
.PHONY: test-tokenizers-reference
test-tokenizers-reference: $(O)/reference/dump_tokens $(REFERENCE_PYTHON) ## tokens beside the reference's (REFERENCE_COUNT= random texts each)
	$(Q)$(REFERENCE_PYTHON) tests/reference/compare_old_files.py $<
	$(Q)$(REFERENCE_PYTHON) tests/reference/compare_tokenizer.py $< \
	    '$(TEST_DATA)/tokenizers/all-MiniLM-L6-v2' '$(TEST_DATA)'
	$(Q)$(REFERENCE_PYTHON) tests/reference/compare_bpe.py $< '$(TEST_DATA)'
	$(Q)$(REFERENCE_PYTHON) tests/reference/compare_unigram.py $< '$(TEST_DATA)'
	$(Q)$(REFERENCE_PYTHON) tests/reference/compare_components.py $< '$(TEST_DATA)'
	$(Q)$(REFERENCE_PYTHON) tests/reference/compare_random.py $< '$(TEST_DATA)' \
	    --count $(REFERENCE_COUNT)

$(CACHE)/reference-venv/bin/python:
	python3 -m venv $(CACHE)/reference-venv
	$(CACHE)/reference-venv/bin/pip install --quiet torch==2.13.0
	$(CACHE)/reference-venv/bin/pip install --quiet $(REFERENCE_PACKAGES)

.PHONY: test-crash test-soak test-faults test-model test-damage
PYTEST = SBERTD_BIN=$(BIN) /usr/bin/python3 -m pytest -q -s --no-header -p no:cacheprovider
CRASH_ROUNDS ?= 1000
CRASH_SEED ?= 20
test-crash: all ## kill -9 in the middle of everything, CRASH_ROUNDS=1000 times (CRASH_SEED= for others)
	@CRASH_ROUNDS=$(CRASH_ROUNDS) CRASH_SEED=$(CRASH_SEED) $(PYTEST) tests/integration/test_crash.py

SOAK_SECONDS ?= 3600
test-soak: all ## an hour of all requests at once by 64 clients: nothing grows, fails or is wrong (SOAK_SECONDS=)
	@SOAK_SECONDS=$(SOAK_SECONDS) $(PYTEST) tests/integration/test_soak.py

# FAULT_STRIDE=8 FAULT_FIRST=1 to 8 (and likewise DAMAGE_...) runs it in eight parts.
FAULT_STRIDE ?= 1
FAULT_FIRST  ?= 1
POWER_ROUNDS ?= 200
test-faults: all ## each write, sync, rename and allocation fails once; power cuts (hours: see Makefile for parts)
	@FAULT_STRIDE=$(FAULT_STRIDE) FAULT_FIRST=$(FAULT_FIRST) POWER_ROUNDS=$(POWER_ROUNDS) \
	    $(PYTEST) tests/integration/test_faults.py

MODEL_EXAMPLES ?= 200
MODEL_STEPS    ?= 60
test-model: all ## random operations against the daemon and a model of it, thousands of steps
	@MODEL_EXAMPLES=$(MODEL_EXAMPLES) MODEL_STEPS=$(MODEL_STEPS) \
	    $(PYTEST) tests/integration/test_model_based.py

DAMAGE_STRIDE ?= 1
DAMAGE_FIRST  ?= 1
test-damage: all ## each region of each file truncated, zeroed, flipped
	@DAMAGE_STRIDE=$(DAMAGE_STRIDE) DAMAGE_FIRST=$(DAMAGE_FIRST) $(PYTEST) \
	    tests/integration/test_damage.py tests/integration/test_weight_cache.py

layer-check: ## fail on an include that crosses the rooms the wrong way
	@tests/layers.sh

hdr-check: | $(DEPS_OK) ## compile every header alone
	@for header in $$(ls $(ROOMS:%=%/*.h) $(ROOMS:%=%/*/*.h) 2>/dev/null); do \
	    $(CC) $(CPPFLAGS) -std=gnu11 $(WARNINGS) -isystem $(FAISS)/include -Werror \
	        -fsyntax-only -x c -include $$header /dev/null || exit 1; done

SOURCE_FILES = $(shell ls $(ROOMS:%=%/*.[ch]) $(ROOMS:%=%/*/*.[ch]) $(ROOMS:%=%/*/*.cpp) \
    tests/*/*.[ch] tests/*/*/*.[ch] 2>/dev/null)
format: ## lay out the sources by .clang-format
	clang-format -i $(SOURCE_FILES)

lint: layer-check hdr-check ## scripts, layers, headers, format, both compilers without a warning
	@tests/scripts.sh
	clang-format --dry-run -Werror $(SOURCE_FILES)
	@$(MAKE) --no-print-directory WERROR=1 BUILD=$(BUILD)/lint-gcc all
	@$(MAKE) --no-print-directory WERROR=1 CC=clang CXX=clang++ BUILD=$(BUILD)/lint-clang all

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile
