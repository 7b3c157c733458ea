"""Names of tensors in the shards <-> names of attributes, by one table."""

from pathlib import Path

import pytest
from safetensors import safe_open

from flashtalk.assets import ASSETS
from flashtalk.config import TINY
from flashtalk.weights import build_networks, load_networks, modules_of, read_manifest, save_weights
from flashtalk.weights.tiny import STORED_NAMES, attribute_name, stored_name

SHIPPED = ASSETS / TINY.weights


def stored_keys(network: str) -> list[str]:
    keys: list[str] = []
    for file in read_manifest(SHIPPED).shards[network]:
        with safe_open(SHIPPED / file, framework="pt") as content:
            keys.extend(content.keys())
    return keys


@pytest.mark.parametrize("network", STORED_NAMES)
def test_every_stored_tensor_is_one_attribute_and_every_attribute_is_stored(network: str) -> None:
    attributes = list(modules_of(build_networks(TINY))[network].state_dict())
    stored = stored_keys(network)
    assert len(set(stored)) == len(stored)
    assert sorted(attribute_name(network, key) for key in stored) == sorted(attributes)
    assert sorted(stored_name(network, name) for name in attributes) == sorted(stored)


@pytest.mark.parametrize("network", STORED_NAMES)
def test_names_come_back_from_both_directions(network: str) -> None:
    for key in stored_keys(network):
        assert stored_name(network, attribute_name(network, key)) == key
    for name in modules_of(build_networks(TINY))[network].state_dict():
        assert attribute_name(network, stored_name(network, name)) == name


@pytest.mark.parametrize("network", STORED_NAMES)
def test_no_entry_of_the_table_is_unused(network: str) -> None:
    table = STORED_NAMES[network]
    assert len(set(table.values())) == len(table)
    names = list(modules_of(build_networks(TINY))[network].state_dict())
    for attribute, stored in table.items():
        assert attribute != stored
        renamed = [name for name in names if f"{name}.".startswith(f"{attribute}.")]
        assert any(f"{stored_name(network, name)}.".startswith(f"{stored}.") for name in renamed)


def test_what_ships_is_saved_again_to_the_byte(tmp_path: Path) -> None:
    networks = load_networks(SHIPPED, TINY)
    save_weights(tmp_path, TINY.name, modules_of(networks), sharing=SHIPPED)
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]
