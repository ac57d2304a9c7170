# The two commands are `make demo` and `make test`; each sets up what it needs (see ./dev --help).
.PHONY: demo demo-crystal test test-newest lint bench setup clean help

help:            ## what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## */\t/' | sort | expand -t 16

setup:           ## set the environment up and say which route was chosen
	@./dev --route

demo: setup      ## the main job: silicon from DFT to a finite-element solve, with pictures
	@./dev python fem_examples/silicon_block.py

demo-crystal: setup ## from a CIF to a law: relaxation, plan, simulation by LAMMPS, law, report
	@./dev constitutive build docs/crystals/SiC.cif --calculator lammps --set pair_style=vashishta --set "pair_coeff=* * SiC.vashishta Si C" \
	  --target 1% --effort quick --out results/SiC
	@./dev constitutive report results/SiC --no-learning-curve -o results/SiC.html

test: setup      ## all tests, and the checks of style, types and layers
	@./dev python -m pytest -n 2 --dist worksteal

test-newest:     ## the finite-element tests on the newest DOLFINx (Debian sid)
	@SUITE=sid ./dev --route
	@SUITE=sid ./dev python -m pytest tests/test_fem.py tests/test_fem_solve.py tests/test_fem_results.py tests/test_fem_examples.py

lint: setup      ## style, types and layers only
	@./dev python -m pytest -q tests/test_architecture.py

clean:           ## remove the environments, the Debian root and the results
	@./dev --clean
	@rm -rf results

test-calculix: setup ## exported laws in CalculiX itself, which is built once (10 minutes)
	@CONSTITUTIVE_CCX=$$(python3 tests/calculix/build.py) && ./dev env CONSTITUTIVE_CCX="$$CONSTITUTIVE_CCX" python -m pytest -q -s tests/test_export_calculix.py
