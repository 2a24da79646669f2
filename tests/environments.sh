#!/usr/bin/env bash
# Tries the package in two environments of its own, by hand: `make environments`, about 10 minutes and 5 GB of disk.
#   lowest   every requirement of pyproject.toml at its lower bound
#   colab    the packages of tests/colab_stack.txt, and this one installed beside them as the notebooks' install cell does
# The newest versions are what constraints.txt pins and `make test` runs on. They are removed again unless KEEP=1.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
[ "${KEEP:-0}" = 1 ] || trap 'rm -rf "$folder"' EXIT
export TF_NUM_INTRAOP_THREADS=2 TF_CPP_MIN_LOG_LEVEL=2 PYTHONPATH=$PWD
python=${PYTHON:-python3}
"$python" -m venv "$folder/uv"
"$folder/uv/bin/python" -m pip install --quiet uv  # resolves to the lowest versions, which pip can't
uv="$folder/uv/bin/uv"
tests=("pytest>=8,<9.2" pytest-xdist nbval hypothesis pyyaml pycocotools)

try() {  # NAME: unit tests, and the notebooks that use most packages
    "$folder/$1/bin/python" -m pytest -q -p no:cacheprovider tests/unit
    for notebook in 00_start_here 33_onnx_int8 50_ssd_anchors_and_decoding; do
        echo "$1: $notebook"
        "$folder/$1/bin/python" -c "
from pathlib import Path
from mbhelpers import notebooks
out = Path('$folder')
values = {'smoke': True, 'out_dir': out / 'runs_$1'}
notebooks.execute(Path('notebooks/$notebook.ipynb'), out / '$1_$notebook.ipynb', values)"
    done
}

echo "lowest"
"$uv" venv --quiet --python "$python" "$folder/lowest"
"$uv" pip compile --quiet --resolution lowest-direct --extra lab --extra npu pyproject.toml -o "$folder/lowest.txt"
"$uv" pip install --quiet --python "$folder/lowest/bin/python" -r "$folder/lowest.txt" "${tests[@]}"
try lowest

echo "colab"
"$uv" venv --quiet --seed --python "$python" "$folder/colab"
"$uv" pip install --quiet --python "$folder/colab/bin/python" -r tests/colab_stack.txt
"$uv" pip freeze --python "$folder/colab/bin/python" > "$folder/before.txt"
kept=$("$folder/colab/bin/python" -c 'from importlib.metadata import version; print(version("tensorflow"))')
"$folder/colab/bin/python" -m pip install --quiet "mbhelpers @ file://$PWD" "tensorflow==$kept"
"$uv" pip freeze --python "$folder/colab/bin/python" > "$folder/after.txt"
if grep -vxFf "$folder/after.txt" "$folder/before.txt"; then
    echo "those packages of Colab's were replaced; a lower bound in pyproject.toml is too high" >&2
    exit 1
fi
"$folder/colab/bin/python" -m pip check
"$uv" pip install --quiet --python "$folder/colab/bin/python" "${tests[@]}"
try colab
echo "both environments work"
