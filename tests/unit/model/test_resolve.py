"""How `{{references}}` resolve: Postman's rules, and the bounds that hold while it runs."""

from __future__ import annotations

import re
import tracemalloc

import pytest

from vault.errors import ResolutionTooLarge
from vault.model import environment
from vault.model.environment import RESOLVE_LOOK_UPS, RESOLVE_PASSES, RESOLVED_MAX_BYTES, Values, Variable, resolve


def values(*own: Variable, below: tuple[Variable, ...] = ()) -> dict[str, str]:
    return resolve([below, own]).values


def test_a_reference_becomes_the_value() -> None:
    assert values(Variable("A", "1"), Variable("B", "x{{A}}y")) == {"A": "1", "B": "x1y"}


def test_the_environment_wins_over_the_globals_for_references_inside_globals_too() -> None:
    below = (Variable("HOST", "global"), Variable("URL", "https://{{HOST}}"))
    assert values(Variable("HOST", "own"), below=below) == {"HOST": "own", "URL": "https://own"}


def test_references_are_case_sensitive() -> None:
    found = resolve([[Variable("E", "1"), Variable("A", "{{e}}")]])
    assert found.values["A"] == "{{e}}"
    assert found.warnings == ("In A: the reference {{e}} is unknown.",)


def test_references_are_not_trimmed() -> None:
    assert values(Variable("E", "1"), Variable("A", "{{ E }}"))["A"] == "{{ E }}"
    assert values(Variable(" E ", "1"), Variable("A", "{{ E }}"))["A"] == "1"


def test_the_empty_reference_is_a_name_like_others() -> None:
    assert values(Variable("A", "{{}}"))["A"] == "{{}}"


def test_a_name_is_picked_by_another_reference() -> None:
    assert values(Variable("pick", "A"), Variable("A", "1"), Variable("B", "{{{{pick}}}}"))["B"] == "1"


def test_an_empty_text_shadows_the_globals() -> None:
    assert values(Variable("A", ""), below=(Variable("A", "1"), Variable("B", "[{{A}}]"))) == {"A": "", "B": "[]"}


def test_a_disabled_variable_is_left_out_and_shadows_nothing() -> None:
    own = (Variable("A", "own", enabled=False), Variable("C", "3", enabled=False), Variable("D", "{{C}}"))
    assert values(*own, below=(Variable("A", "1"),)) == {"A": "1", "D": "{{C}}"}


def test_of_one_name_the_last_enabled_one_wins() -> None:
    assert values(Variable("A", "1"), Variable("A", "2"), Variable("A", "3", enabled=False)) == {"A": "2"}


def test_json_values_become_their_text() -> None:
    found = values(Variable("N", None), Variable("B", True), Variable("I", 7), Variable("S", "{{N}} {{B}} {{I}}"))
    assert found == {"N": "null", "B": "true", "I": "7", "S": "null true 7"}


def test_a_users_own_dynamic_name_wins() -> None:
    assert values(Variable("$guid", "mine"), Variable("A", "{{$guid}}"))["A"] == "mine"
    assert values(Variable("A", "{{$guid}}"))["A"] == "{{$guid}}"


def chain(length: int) -> list[Variable]:
    """V0 needs `length` passes until it is `end`."""
    links = [Variable(f"V{number}", f"{{{{V{number + 1}}}}}") for number in range(length)]
    return [*links, Variable(f"V{length}", "end")]


def test_nineteen_passes_and_no_more() -> None:
    assert resolve([chain(RESOLVE_PASSES)]).values["V0"] == "end"
    found = resolve([chain(RESOLVE_PASSES + 1)])
    assert found.values["V0"] == f"{{{{V{RESOLVE_PASSES + 1}}}}}"
    assert found.warnings == (f"In V0: the reference {{{{V{RESOLVE_PASSES + 1}}}}} does not end within 19 passes.",)


@pytest.mark.parametrize(
    ("variables", "residue"),
    [
        ([Variable("A", "{{A}}")], "{{A}}"),
        ([Variable("A", "{{B}}"), Variable("B", "{{A}}")], "{{B}}"),
        ([Variable("A", "x{{B}}"), Variable("B", "y{{C}}"), Variable("C", "{{A}}")], None),
    ],
)
def test_a_loop_keeps_its_residue_and_is_named(variables: list[Variable], residue: str | None) -> None:
    found = resolve([variables])
    assert re.search(r"\{\{[ABC]\}\}", found.values["A"])
    assert residue is None or found.values["A"] in ("{{A}}", "{{B}}")
    assert any(warning.startswith("In A: the reference {{") for warning in found.warnings)


def test_an_unknown_name_stays_as_written_and_is_named_once() -> None:
    found = resolve([[Variable("A", "{{NO}}-{{NO}}-{{OTHER}}")]])
    assert found.values == {"A": "{{NO}}-{{NO}}-{{OTHER}}"}
    assert found.warnings == (
        "In A: the reference {{NO}} is unknown.",
        "In A: the reference {{OTHER}} is unknown.",
    )


def test_literal_text_is_never_expanded() -> None:
    found = resolve([[Variable("A", "1"), Variable("L", "{{A}} {{NO}}", literal=True)]])
    assert found.values["L"] == "{{A}} {{NO}}"
    assert found.warnings == ()


def test_literal_text_is_not_expanded_where_another_variable_inserts_it() -> None:
    own = [Variable("A", "1"), Variable("L", "{{A}}", literal=True), Variable("B", "<{{L}}>"), Variable("C", "{{B}}")]
    found = resolve([own])
    assert (found.values["B"], found.values["C"]) == ("<{{A}}>", "<{{A}}>")
    assert found.warnings == ()


def test_the_braces_of_literal_text_make_no_reference_together_with_others() -> None:
    own = [Variable("A", "1"), Variable("L", "{{", literal=True), Variable("B", "{{L}}A}}")]
    assert resolve([own]).values["B"] == "{{A}}"


def test_a_literal_variable_may_pick_a_name() -> None:
    own = [Variable("A", "1"), Variable("pick", "A", literal=True), Variable("B", "{{{{pick}}}}")]
    assert resolve([own]).values["B"] == "1"


def test_without_expansion_all_text_is_as_written() -> None:
    own = [Variable("A", "{{B}}"), Variable("B", "{{A}}", literal=True)]
    assert resolve([own], expand=False) == Values({"A": "{{B}}", "B": "{{A}}"})


def test_nineteen_names_with_four_references_each_stop_while_they_grow() -> None:
    own = [Variable(f"V{number}", f"{{{{V{number + 1}}}}}" * 4) for number in range(19)]
    tracemalloc.start()
    with pytest.raises(ResolutionTooLarge):
        resolve([[*own, Variable("V19", "x")]])
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # Expanded to its end it would be 4**19 characters, 275 GB.
    assert most < 6 * RESOLVED_MAX_BYTES


def test_five_thousand_references_resolve() -> None:
    own = [Variable("A", "1"), *(Variable(f"V{number}", f"{{{{V{(number + 1) % 5000}}}}}") for number in range(4999))]
    found = resolve([[*own, Variable("V4999", "{{A}}")]])
    assert found.values["V4990"] == "1"
    assert len(found.values) == 5001


def test_look_ups_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many unknown references that ride along with a long chain are work without growth."""
    counted = 0
    whole = environment._Budget.look_up

    def look_up(self: environment._Budget) -> None:
        nonlocal counted
        counted += 1
        whole(self)

    monkeypatch.setattr(environment._Budget, "look_up", look_up)
    riders = [Variable(f"R{number}", "{{u}}" * 40_000 + "{{V0}}") for number in range(4)]
    with pytest.raises(ResolutionTooLarge):
        resolve([[*chain(18), *riders]])
    assert counted <= RESOLVE_LOOK_UPS + 1


def test_warnings_count_too() -> None:
    """Distinct unknown references, inserted in many places, would make an answer of warnings."""
    many = "".join(f"{{{{u{number}}}}}" for number in range(10_000))
    with pytest.raises(ResolutionTooLarge):
        resolve([[Variable("M", many), *(Variable(f"V{number}", "{{M}}") for number in range(9))]])


def test_a_value_never_shows_in_a_repr() -> None:
    assert "hunter2" not in repr(Variable("A", "hunter2"))
    assert "hunter2" not in repr(Values({"A": "hunter2"}))
