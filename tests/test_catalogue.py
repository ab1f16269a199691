"""Names of everything there is, and what they stand for."""

import subprocess
import sys

import knownot
from knownot import catalogue


def test_catalogue_names_what_there_is():
    for name, address in {**catalogue.ESTIMATORS, **catalogue.PUBLIC}.items():
        found = catalogue.resolve(address)
        assert found == knownot.__version__ if name == "__version__" else found.__name__ == name
    for name, address in catalogue.RULES.items():
        assert catalogue.resolve(address).name == name
    # An encoder alone judges nothing, and the terminal reads one label.
    assert {*catalogue.METHODS.values(), "SelfSupervisedEncoder", "MultiLabelVAE"} == set(catalogue.ESTIMATORS)


def test_catalogue_is_read_without_torch():
    code = "import sys, knownot.catalogue; sys.exit('torch' in sys.modules or 'sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
