"""Standard open-set protocols: which classes of which data set are known, in five splits or one.

The five splits of each standard protocol are those of the contrastive line of papers. A second
lineage of splits exists in the literature; numbers of the two must never be mixed. As published,
the first two splits of SVHN and of CIFAR10, and the second and third of CIFAR+10 and CIFAR+50, know
the same classes in another order: a mean over five splits counts these classes twice (the unknown
ones of CIFAR+10 and CIFAR+50 differ).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from knownot.data.splits import OpenSetSplit

Lists: TypeAlias = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Protocol:
    """A published choice of known and unknown classes.

    Attributes
    ----------
    name : str
    dataset : str
        Name for `load_named`: training set and known test samples.
    splits : tuple of OpenSetSplit
    unknown_dataset : str, optional
        Where the unknown classes come from another data set, its name; ``split.unknown`` are
        labels of that set.
    n_validation_known, n_validation_unknown : int
        Validation samples to cut from the training set, for `open_set_partition`.
    """

    name: str
    dataset: str
    splits: tuple[OpenSetSplit, ...]
    unknown_dataset: str | None = None
    n_validation_known: int = 0
    n_validation_unknown: int = 0


def _parse_lists(text: str) -> Lists:
    return tuple(tuple(int(label) for label in part.split(",")) for part in text.split("|"))


MNIST_KNOWN = _parse_lists("2,4,5,9,8,3 | 3,2,6,9,4,0 | 5,8,3,2,4,6 | 3,7,8,4,0,5 | 6,3,4,9,8,2")
SVHN_KNOWN = _parse_lists("5,3,7,2,8,6 | 3,8,7,6,2,5 | 8,9,4,7,2,1 | 3,8,2,5,0,6 | 4,9,2,7,1,0")
CIFAR10_KNOWN = _parse_lists("0,6,4,9,1,7 | 7,6,4,9,0,1 | 1,5,7,3,9,4 | 8,6,1,9,0,7 | 2,4,1,7,9,6")
# Known classes of both CIFAR+10 and CIFAR+50; the unknown ones below are CIFAR-100's.
CIFAR_PLUS_KNOWN = _parse_lists("4,7,9,1 | 6,7,1,9 | 9,6,1,7 | 6,4,9,1 | 1,0,9,8")
CIFAR_PLUS_10_UNKNOWN = _parse_lists(
    """
    30,25,1,9,8,0,46,52,49,71 |
    41,9,49,40,73,60,48,30,95,71 |
    8,9,49,40,73,60,48,95,30,71 |
    95,60,30,73,46,49,68,99,8,71 |
    33,2,3,97,46,21,64,63,88,43
    """
)
# CIFAR+50 takes the list of CIFAR+10 and these.
CIFAR_PLUS_50_FURTHER_UNKNOWN = _parse_lists(
    """
    27,94,29,77,88,26,69,48,75,5,59,93,39,57,45,40,78,20,98,47,66,70,91,76,41,83,99,32,53,72,2,95,21,73,
      84,68,35,11,55,60 |
    65,97,86,24,45,67,2,3,91,98,79,29,62,82,33,76,0,35,5,16,54,11,99,52,85,1,25,66,28,84,23,56,75,46,21,
      72,55,68,8,69 |
    20,83,65,97,94,2,93,16,67,29,62,33,24,98,5,86,35,54,0,91,52,66,85,84,56,11,1,76,25,55,21,99,72,41,
      23,75,28,68,69,46 |
    92,82,77,64,5,33,62,56,70,0,20,28,67,14,84,53,91,29,85,2,52,83,75,35,11,21,72,98,55,1,41,76,25,66,
      69,9,48,54,40,23 |
    47,6,19,0,62,93,59,65,54,70,34,55,23,38,72,76,53,31,78,96,77,27,92,18,82,50,98,32,1,75,83,4,51,35,
      80,11,74,66,36,42
    """
)
# Positions of the WordNet ids in their sorted list.
TINY_IMAGENET_KNOWN = _parse_lists(
    """
    108,147,17,58,193,123,72,144,75,167,134,14,81,171,44,197,152,66,1,133 |
    198,161,91,59,57,134,61,184,90,35,29,23,199,38,133,19,186,18,85,67 |
    177,0,119,26,78,80,191,46,134,92,31,152,27,60,114,50,51,133,162,93 |
    98,36,158,177,189,157,170,191,82,196,138,166,43,13,152,11,75,174,193,190 |
    95,6,145,153,0,143,31,23,189,81,20,21,89,26,36,170,102,177,108,169
    """
)


def _splits_against_others(known: Lists, n_classes: int) -> tuple[OpenSetSplit, ...]:
    return tuple(OpenSetSplit(k, [c for c in range(n_classes) if c not in k]) for k in known)


def _listed_splits(known: Lists, unknown: Lists) -> tuple[OpenSetSplit, ...]:
    # The two sets of labels belong to different data sets, so that they may hold equal numbers.
    return tuple(OpenSetSplit(k, u, unknown_elsewhere=True) for k, u in zip(known, unknown, strict=True))


_PROTOCOLS = (
    Protocol("mnist", "mnist", _splits_against_others(MNIST_KNOWN, 10)),
    Protocol("svhn", "svhn", _splits_against_others(SVHN_KNOWN, 10)),
    Protocol("cifar10", "cifar10", _splits_against_others(CIFAR10_KNOWN, 10)),
    Protocol("cifar+10", "cifar10", _listed_splits(CIFAR_PLUS_KNOWN, CIFAR_PLUS_10_UNKNOWN), "cifar100"),
    Protocol(
        "cifar+50",
        "cifar10",
        _listed_splits(
            CIFAR_PLUS_KNOWN,
            tuple(ten + forty for ten, forty in zip(CIFAR_PLUS_10_UNKNOWN, CIFAR_PLUS_50_FURTHER_UNKNOWN, strict=True)),
        ),
        "cifar100",
    ),
    Protocol("tiny-imagenet", "tiny-imagenet", _splits_against_others(TINY_IMAGENET_KNOWN, 200)),
    # The open-set GMVAE paper, sections 5.1 to 5.4.
    Protocol(
        "open-gmvae/fashion-mnist",
        "fashion-mnist",
        (
            OpenSetSplit(
                {"T-shirt/top": 0, "Trouser": 1, "Pullover": 2, "Dress": 3, "Coat": 4, "Shirt": 6}, (5, 7, 9, 8)
            ),
        ),
        None,
        6000,
        4000,
    ),
    Protocol(
        "open-gmvae/cifar10",
        "cifar10",
        (OpenSetSplit({"airplane": 0, "automobile": 1, "bird": 2, "cat": 3, "deer": 4, "dog": 5}, (6, 7, 8, 9)),),
        None,
        6000,
        4000,
    ),
    Protocol(
        "open-gmvae/mnist-even-odd",
        "mnist",
        (OpenSetSplit({"even": (0, 2), "odd": (1, 3)}, (4, 5, 6, 7, 8, 9)),),
        None,
        4000,
        6000,
    ),
    Protocol(
        "open-gmvae/cifar10-animals-vehicles",
        "cifar10",
        (OpenSetSplit({"animals": (3, 5), "vehicles": (1, 9)}, (0, 2, 4, 6, 7, 8)),),
        None,
        4000,
        6000,
    ),
)

#: Protocols by name.
PROTOCOLS: dict[str, Protocol] = {protocol.name: protocol for protocol in _PROTOCOLS}
