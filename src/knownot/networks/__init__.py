"""Encoders and decoders."""

from knownot.networks.conv import ConvDecoder, ConvEncoder
from knownot.networks.fast import FastConvNet
from knownot.networks.mlp import RowNet, mlp
from knownot.networks.resnet import ResNet
from knownot.networks.strided import StridedDecoder, StridedEncoder

__all__ = [
    "ConvDecoder",
    "ConvEncoder",
    "FastConvNet",
    "ResNet",
    "RowNet",
    "StridedDecoder",
    "StridedEncoder",
    "mlp",
]
