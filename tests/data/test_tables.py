from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest

from knownot.data import read_table

FRAME = pd.DataFrame(
    {
        "width": [1.5, 2.0, -3.25, 4.0],
        "height": [1, 2, 3, 4],
        "flying": [True, False, True, True],
        "species": ["cat", "dog", "cat", "bat"],
        "Number": [3, 1, 3, 0],
    }
)


@pytest.fixture(params=[".csv", ".tsv", ";", ".parquet"])
def table(request, tmp_path):
    if request.param == ".parquet":
        FRAME.to_parquet(tmp_path / "animals.parquet")
        return tmp_path / "animals.parquet"
    ending = ".csv" if request.param == ";" else request.param
    separator = {".csv": ",", ".tsv": "\t", ";": ";"}[request.param]
    FRAME.to_csv(tmp_path / f"animals{ending}", index=False, sep=separator)
    return tmp_path / f"animals{ending}"


def write(tmp_path, text: str):
    (tmp_path / "table.csv").write_text(text)
    return tmp_path / "table.csv"


def test_read_table_takes_features_and_a_label(table):
    data = read_table(table, "species", ["width", "height", "flying"])
    assert data.x.dtype == np.float64
    assert data.x.tolist() == [[1.5, 1, 1], [2, 2, 0], [-3.25, 3, 1], [4, 4, 1]]
    assert data.y.tolist() == ["cat", "dog", "cat", "bat"]
    assert data.y.dtype.kind == "U"
    assert data.feature_names == ("width", "height", "flying")
    assert data.name == str(table)
    numbers = read_table(str(table), "Number", ["height"])
    assert numbers.y.tolist() == [3, 1, 3, 0]
    assert numbers.y.dtype == np.int64


def test_read_table_takes_columns_in_the_order_given(table):
    data = read_table(table, columns=("height", "width"))
    assert data.y is None
    assert data.x.tolist() == [[1, 1.5], [2, 2], [3, -3.25], [4, 4]]
    assert data.feature_names == ("height", "width")


def test_read_table_answers_a_missing_column_with_those_there_are(table):
    with pytest.raises(ValueError, match="no column 'Species', the label column") as caught:
        read_table(table, "Species")
    assert "width, height, flying, species, Number" in str(caught.value)
    assert "Did you mean 'species'?" in str(caught.value)
    with pytest.raises(ValueError, match=r"no column 'hight', a feature column.*Did you mean 'height'"):
        read_table(table, columns=["width", "hight"])
    with pytest.raises(ValueError, match="'qqq'") as caught:
        read_table(table, "qqq")
    assert "Did you mean" not in str(caught.value)


def test_read_table_keeps_text_as_it_is(table):
    data = read_table(table, "Number")
    assert isinstance(data.x, pd.DataFrame)
    assert list(data.x) == list(data.feature_names) == ["width", "height", "flying", "species"]
    assert data.x["species"].tolist() == ["cat", "dog", "cat", "bat"]
    assert data.x["flying"].dtype == bool
    assert data.note == ""
    part = data.select([3, 0])
    assert part.x["species"].tolist() == ["bat", "cat"]
    assert part.x.index.tolist() == [0, 1]
    assert part.y.tolist() == [0, 3]
    assert not data.is_image
    # What may have been meant as the label.
    assert "column 'species' is taken as features, since no label was named" in read_table(table).note


def test_read_table_keeps_gaps(tmp_path):
    file = write(tmp_path, "a,b,c,d,y\n1,x,True,1,p\n,,,2,q\n3,y,False,3,p\n")
    data = read_table(file, "y")
    assert data.x["b"].isna().tolist() == data.x["c"].isna().tolist() == [False, True, False]
    np.testing.assert_array_equal(data.x["a"], [1, np.nan, 3])
    numbers = read_table(file, "y", ["a", "d"])
    np.testing.assert_array_equal(numbers.x, [[1, 1], [np.nan, 2], [3, 3]])
    pd.DataFrame({"t": pd.array([True, None], dtype="boolean")}).to_parquet(tmp_path / "t.parquet")
    assert isinstance(read_table(tmp_path / "t.parquet").x, pd.DataFrame)


def test_read_table_refuses_dates_and_lists(tmp_path):
    for values in (pd.to_datetime(["2020-01-01"]), [[1, 2]]):
        pd.DataFrame({"a": values}).to_parquet(tmp_path / "t.parquet")
        with pytest.raises(ValueError, match=r"column 'a' holds .* neither numbers nor text"):
            read_table(tmp_path / "t.parquet")


def test_read_table_counts_and_locates_missing_values(tmp_path):
    file = write(tmp_path, "a,b,c\n1,2,x\n,4,y\n5,6,\n7,NaN,y\n8,9,y\n")
    with pytest.raises(
        ValueError, match=r"1 of 5 rows miss a value, NaN \(0 a feature, 1 the label\).* \(column 'c'\)"
    ):
        read_table(file, "c")
    with pytest.raises(ValueError, match=r"3 of 5 rows miss a value, NaN \(2 a feature, 1 the label\)") as caught:
        read_table(file, "c", missing="refuse")
    assert "row 1 (column 'a'), row 2 (column 'c'), row 3 (column 'b')" in str(caught.value)
    data = read_table(file, "c", missing="skip")
    assert data.x.tolist() == [[1, 2], [8, 9]]
    assert data.y.tolist() == ["x", "y"]
    assert "3 of 5 rows" in data.note
    with pytest.raises(ValueError, match="missing is 'drop'"):
        read_table(file, "c", missing="drop")
    empty = write(tmp_path, "a,b\n1,\n2,\n")
    with pytest.raises(ValueError, match="no row is left"):
        read_table(empty, missing="skip")


def test_read_table_reads_nullable_columns_of_parquet(tmp_path):
    frame = pd.DataFrame({"a": pd.array([1, None, 3], "Int64"), "b": pd.array([0.5, 1.5, 2.5], "Float64")})
    frame["c"] = pd.Categorical(["x", "y", "x"])
    frame.to_parquet(tmp_path / "t.parquet")
    with pytest.raises(ValueError, match=r"1 of 3 rows miss a value, NaN .*row 1 \(column 'a'\)"):
        read_table(tmp_path / "t.parquet", "c", missing="refuse")
    np.testing.assert_array_equal(read_table(tmp_path / "t.parquet", "c").x[:, 0], [1, np.nan, 3])
    data = read_table(tmp_path / "t.parquet", "c", ["b"])
    assert data.x[:, 0].tolist() == [0.5, 1.5, 2.5]
    assert data.y.tolist() == ["x", "y", "x"]


def test_read_table_locates_infinite_values_and_takes_large_ones(tmp_path):
    file = write(tmp_path, "a,b\n1,2\n3,1e300\n4,inf\n-inf,5\n")
    with pytest.raises(ValueError, match="2 values are infinite, first in row 2, column 'b': remove or replace them"):
        read_table(file)
    assert read_table(write(tmp_path, "a\n1e300\n-1e300\n")).x.tolist() == [[1e300], [-1e300]]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_read_table_keeps_neighbouring_times_apart(tmp_path, ending):
    """Unix seconds: float32 knows one number in 128 there."""
    seconds = 1.7e9 + np.arange(300) / 4
    frame = pd.DataFrame({"time": seconds, "id": 2**31 + np.arange(300)})
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    x = read_table(tmp_path / f"t.{ending}").x
    assert x.dtype == np.float64
    assert (x == frame.to_numpy()).all()


@pytest.mark.parametrize(
    ("kinds", "kind"),
    [
        (("float32", "float16"), "float32"),
        (("float32", "Float32"), "float32"),
        (("float32", "float64"), "float64"),
        (("float32", "int8"), "float64"),
        (("float32", "bool"), "float64"),
        (("Int64", "boolean"), "float64"),
    ],
)
def test_read_table_keeps_float32_where_all_columns_are(tmp_path, kinds, kind):
    frame = pd.DataFrame({name: pd.Series([0, 1], dtype=name) for name in kinds})
    frame.to_parquet(tmp_path / "t.parquet")
    data = read_table(tmp_path / "t.parquet")
    assert data.x.dtype == kind
    assert data.x.tolist() == [[0, 0], [1, 1]]


def test_read_table_takes_labels_of_every_kind(tmp_path):
    file = write(tmp_path, "a,truth,whole,mixed,part\n1,True,1.0,1,0.5\n2,False,2.0,x,0.25\n")
    assert read_table(file, "truth", ["a"]).y.tolist() == [1, 0]
    assert read_table(file, "whole", ["a"]).y.tolist() == [1, 2]
    assert read_table(file, "whole", ["a"]).y.dtype == np.int64
    assert read_table(file, "mixed", ["a"]).y.tolist() == ["1", "x"]
    with pytest.raises(ValueError, match=r"column 'part' does not hold classes. Unknown label type: continuous"):
        read_table(file, "part", ["a"])


def test_read_table_leaves_out_the_row_numbers_of_pandas(tmp_path):
    FRAME[["width", "species"]].to_csv(tmp_path / "t.csv")
    data = read_table(tmp_path / "t.csv", "species")
    assert data.feature_names == ("width",)
    assert "only counts the rows" in data.note


def test_read_table_refuses_what_is_no_table(tmp_path):
    with pytest.raises(ValueError, match=r"absent.csv does not exist"):
        read_table(tmp_path / "absent.csv")
    with pytest.raises(ValueError, match=r"table.xlsx does not end in .csv, .tsv, .parquet"):
        read_table(tmp_path / "table.xlsx")
    for name, content in (
        ("a.parquet", b"no parquet"),
        ("b.csv", b""),
        ("c.csv", b"a,b\n1,2\n1,2,3,4\n"),
        ("d.csv", b"a,b\n\xff\xfe,2\n"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=f"{name} cannot be read as a table: "):
            read_table(tmp_path / name)
    with pytest.raises(ValueError, match="holds 0 rows and 2 columns"):
        read_table(write(tmp_path, "a,b\n"))
    with pytest.raises(ValueError, match="has no feature columns beside the label 'a'"):
        read_table(write(tmp_path, "a\n1\n"), "a")
    with pytest.raises(ValueError, match="column 'a' is both label and feature"):
        read_table(write(tmp_path, "a,b\n1,2\n"), "a", ["a", "b"])


@pytest.mark.parametrize(("absent", "ending"), [("pandas", "csv"), ("pyarrow", "parquet")])
def test_read_table_names_a_missing_package(tmp_path, monkeypatch, absent, ending):
    FRAME.to_parquet(tmp_path / "t.parquet")
    FRAME.to_csv(tmp_path / "t.csv")
    if absent == "pandas":
        monkeypatch.setitem(sys.modules, "pandas", None)
    else:

        def lacking(*_args, **_options):
            raise ImportError("Unable to find a usable engine")

        monkeypatch.setattr(pd, "read_parquet", lacking)
    with pytest.raises(ValueError, match=rf"needs {absent}, which is not installed: pip install 'knownot\[data\]'"):
        read_table(tmp_path / f"t.{ending}")


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_column_of_image_files_names_the_rows(tmp_path, ending):
    frame = pd.DataFrame({"path": ["a/1.jpg", "a/2.PNG"], "e0": [1.0, 2.0], "label": ["a", "b"]})
    file = tmp_path / f"t.{ending}"
    (frame.to_csv if ending == "csv" else frame.to_parquet)(file, index=False)
    data = read_table(file, "label")
    assert data.feature_names == ("e0",)
    assert data.paths == ("a/1.jpg", "a/2.PNG")
    assert read_table(file, columns=["e0"]).paths == data.paths
    assert read_table(file, "label", columns=["path", "e0"]).x["path"].tolist() == ["a/1.jpg", "a/2.PNG"]
    frame.loc[0, "e0"] = np.nan
    (frame.to_csv if ending == "csv" else frame.to_parquet)(file, index=False)
    assert read_table(file, "label", missing="skip").paths == ("a/2.PNG",)


def test_column_path_of_numbers_is_a_feature(tmp_path):
    (tmp_path / "t.csv").write_text("path,b\n1,2\n3,4\n")
    data = read_table(tmp_path / "t.csv")
    assert data.feature_names == ("path", "b")
    assert data.paths is None
