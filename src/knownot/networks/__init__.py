"""Encoders and decoders."""

from knownot.networks.conv import ConvDecoder, ConvEncoder
from knownot.networks.mlp import mlp

__all__ = ["ConvDecoder", "ConvEncoder", "mlp"]
