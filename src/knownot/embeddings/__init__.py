"""Embeddings of photos through a pretrained encoder, as a table that estimators learn from.

Importing this subpackage loads numpy, torch and Pillow; ``transformers`` is loaded when an encoder is named.
"""

from knownot.embeddings.embedding import embed, embed_to_file
from knownot.embeddings.encoders import Encoder, as_encoder

__all__ = ["Encoder", "as_encoder", "embed", "embed_to_file"]
