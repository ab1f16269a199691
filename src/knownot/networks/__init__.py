"""Encoders and decoders."""

from knownot.networks.conv import ConvDecoder, ConvEncoder
from knownot.networks.fast import FastConvNet
from knownot.networks.mlp import mlp

__all__ = ["ConvDecoder", "ConvEncoder", "FastConvNet", "mlp"]
