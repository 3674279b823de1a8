"""Encryption headers on every object that an S3 client writes: for buckets whose policy demands them."""

from __future__ import annotations

from typing import Any

__all__ = ["SERVER_SIDE_ENCRYPTIONS", "encrypt_objects"]

#: The values of ``x-amz-server-side-encryption``.
SERVER_SIDE_ENCRYPTIONS = ("AES256", "aws:kms", "aws:kms:dsse")

#: The operations that begin an object. The parts of an upload have the encryption of its beginning.
_OPERATIONS = ("PutObject", "CreateMultipartUpload", "CopyObject")


def encrypt_objects(s3: Any, server_side_encryption: str | None, kms_key_id: str | None = None) -> None:
    """Let the client ask for this encryption with every object that it puts, uploads in parts or copies.

    :param server_side_encryption: one of `SERVER_SIDE_ENCRYPTIONS`; None for the bucket's own default.
    :param kms_key_id: id or ARN of the key; None for the key that AWS manages.
    """
    wanted = {"ServerSideEncryption": server_side_encryption, "SSEKMSKeyId": kms_key_id}
    headers = {name: value for name, value in wanted.items() if value}
    if not headers:
        return

    def add(params: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {**headers, **params}

    for operation in _OPERATIONS:
        s3.meta.events.register(f"provide-client-params.s3.{operation}", add)
