import pytest

from mbhelpers.deployment import vela

SAID = """Tensor 'image' has a dynamic signature in axis 0. Setting shape axis 0 to 1 and proceeding.

Warning (supported operators) operator: DEQUANTIZE, ofm: 'scores:0'
Reason: Unsupported opType

Warning (supported operators) operator: PACK, ofm: 'it's/shape;twice'
Reason: Operation has shapeless tensor
Tensors must have constant shape.

Network summary for model
CPU operators = 2 (1.2%)
"""


def test_reasons_are_read_by_operator_and_in_one_line():
    assert vela.reasons(SAID) == {
        ("DEQUANTIZE", "scores:0"): "Unsupported opType",
        ("PACK", "it's/shape;twice"): "Operation has shapeless tensor Tensors must have constant shape.",
    }
    assert vela.reasons("Network summary for model\n") == {}


class TestConfigurations:
    @pytest.fixture
    def board(self, tmp_path):
        path = tmp_path / "board.ini"
        path.write_text(
            "[System_Config.Small]\ncore_clock=5e8\naxi0_port=Sram\naxi1_port=OffChipFlash\n"
            "[System_Config.Fast]\ninherit=System_Config.Small\ncore_clock=1e9\n"
            "[Memory_Mode.All]\nconst_mem_area=Axi0\n",
            encoding="utf-8",
        )
        return vela.Configurations(path)

    def test_names_and_ports_inherited_ones_too(self, board):
        assert (board.names("System_Config"), board.names("Memory_Mode")) == (["Small", "Fast"], ["All"])
        assert board.ports("Small") == board.ports("Fast") == {"Sram", "OffChipFlash"}

    def test_an_unknown_name_is_refused_with_those_there_are(self, board):
        board.check("System_Config", "Fast")
        with pytest.raises(ValueError, match=r"unknown system configuration 'All' in board\.ini; choose from Small, F"):
            board.check("System_Config", "All")
        with pytest.raises(ValueError, match=r"unknown memory mode 'Small' in board\.ini; choose from none"):
            board.check("Memory_Mode", "Small", "Ethos_")

    def test_another_file_is_refused(self, tmp_path):
        path = tmp_path / "notes.ini"
        path.write_text("no section\n", encoding="utf-8")
        with pytest.raises(ValueError, match=r"no configuration of Vela in .*notes\.ini"):
            vela.Configurations(path)


def test_a_release_that_writes_other_tables_is_refused(tmp_path, monkeypatch):
    (tmp_path / "model_debug.xml").write_text(
        '<debug><table name="source"><![CDATA[\n"id","ext_key"\n1,0\n]]></table></debug>', encoding="utf-8"
    )
    assert vela.read_debug(tmp_path, ["source"]) == ([{"id": "1", "ext_key": "0"}],)

    class Old:
        version = "3.0"

    monkeypatch.setattr(vela, "installed", Old)
    with pytest.raises(ValueError, match=r"Vela 3\.0 writes no table perf"):
        vela.read_debug(tmp_path, ["source", "perf"])
