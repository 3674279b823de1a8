"""S3's operations on `S3`: each takes a request apart from its transport, and returns the members of its result."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any
from urllib.parse import unquote

from tests.support.deterministic_aws.answers import AwsError, Reply
from tests.support.deterministic_aws.s3 import S3, StoredObject, user_metadata


@dataclass(slots=True)
class S3Request:
    """A request with its parts taken apart.

    :ivar headers: names in lower case.  :ivar parts: numbers of the parts that complete an upload.
    """

    operation: str
    bucket: str
    key: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    parts: tuple[int, ...] = ()

    @property
    def content(self) -> str:
        """All of it that matters, as text."""
        named = sorted(each for each in self.headers.items() if each[0].startswith("x-amz-meta-"))
        source, wanted = self.headers.get("x-amz-copy-source", ""), self.headers.get("range")
        upload = [self.query.get(name) for name in ("uploadId", "partNumber", "prefix", "start-after")]
        return repr((self.key, upload, named, source, wanted, self.body, self.parts))

    @property
    def subject(self) -> str:
        """The key, or source and target of a copy, for a trace."""
        source = self.headers.get("x-amz-copy-source", "")
        return f"{_last(source)} -> {_last(self.key)}" if source else _last(self.key)


def respond(s3: S3, request: S3Request, now: Callable[[], float]) -> Reply:
    """S3's answer."""
    handler = _HANDLERS.get(request.operation)
    if handler is None:
        raise NotImplementedError(f"S3's {request.operation} is not simulated")
    try:
        return handler(s3, request, now)
    except AwsError as error:
        return Reply(error=error)


def _create_bucket(s3: S3, request: S3Request, now: Callable[[], float]) -> Reply:
    s3.buckets.setdefault(request.bucket, {})
    return Reply({"Location": f"/{request.bucket}"})


def _head_bucket(s3: S3, request: S3Request, now: Callable[[], float]) -> Reply:
    s3.objects(request.bucket)
    return Reply({})


def _put_object(s3: S3, request: S3Request, now: Callable[[], float]) -> Reply:
    content_type = request.headers.get("content-type", "binary/octet-stream")
    stored = StoredObject.of(request.body, user_metadata(request.headers), content_type, now())
    s3.put(request.bucket, request.key, stored, conditions=request.headers)
    return Reply({"ETag": stored.etag})


def _get_object(s3: S3, request: S3Request, now: Callable[[], float]) -> Reply:
    found = s3.find(request.bucket, request.key)
    if "if-match" in request.headers and request.headers["if-match"] != found.etag:
        raise AwsError("PreconditionFailed", "At least one of the pre-conditions did not hold", status=412)
    wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", ""))
    if wanted is None:
        return Reply({**_about(found), "ContentLength": len(found.body), "Body": found.body})
    first, size = int(wanted[1]), len(found.body)
    if first >= size:
        raise AwsError("InvalidRange", "The requested range is not satisfiable", status=416)
    last = min(int(wanted[2] or size - 1), size - 1)
    body = found.body[first : last + 1]
    about = {**_about(found), "ContentLength": len(body), "ContentRange": f"bytes {first}-{last}/{size}"}
    return Reply({**about, "Body": body}, status=206)


def _head_object(s3: S3, request: S3Request, now: Callable[[], float]) -> Reply:
    found = s3.find(request.bucket, request.key)
    return Reply({**_about(found), "ContentLength": len(found.body)})


def _delete_object(s3: S3, request: S3Request, now: Callable[[], float]) -> Reply:
    s3.delete(request.bucket, request.key, conditions=request.headers)
    return Reply({}, status=204)


def _copy_object(s3: S3, request: S3Request, now: Callable[[], float]) -> Reply:
    bucket, _, key = unquote(request.headers["x-amz-copy-source"]).lstrip("/").partition("/")
    copied = s3.copy((bucket, key), request.bucket, request.key, headers=request.headers)
    return Reply({"CopyObjectResult": {"ETag": copied.etag, "LastModified": _moment(copied.modified)}})


def _create_multipart_upload(s3: S3, request: S3Request, now: Callable[[], float]) -> Reply:
    upload_id = s3.begin_upload(request.bucket, request.key, request.headers)
    return Reply({"Bucket": request.bucket, "Key": request.key, "UploadId": upload_id})


def _upload_part(s3: S3, request: S3Request, now: Callable[[], float]) -> Reply:
    s3.upload(request.query["uploadId"]).parts[int(request.query["partNumber"])] = request.body
    return Reply({"ETag": StoredObject.of(request.body, {}, "", 0.0).etag})


def _complete_multipart_upload(s3: S3, request: S3Request, now: Callable[[], float]) -> Reply:
    stored = s3.complete_upload(request.bucket, request.query["uploadId"], list(request.parts), request.headers)
    return Reply({"Bucket": request.bucket, "Key": request.key, "ETag": stored.etag})


def _abort_multipart_upload(s3: S3, request: S3Request, now: Callable[[], float]) -> Reply:
    s3.upload(request.query["uploadId"])
    del s3.uploads[request.query["uploadId"]]
    return Reply({}, status=204)


def _list_objects(s3: S3, request: S3Request, now: Callable[[], float]) -> Reply:
    prefix = request.query.get("prefix", "")
    after = request.query.get("start-after", "")
    if s3.hides_missing:
        raise AwsError("AccessDenied", "Access Denied", status=403)
    objects = s3.objects(request.bucket)
    contents = [
        {"Key": key, "LastModified": _moment(stored.modified), "ETag": stored.etag, "Size": len(stored.body)}
        for key, stored in sorted(objects.items())
        if key.startswith(prefix) and key > after
    ]
    about = {"Name": request.bucket, "Prefix": prefix, "KeyCount": len(contents), "IsTruncated": False}
    return Reply({**about, **({"Contents": contents} if contents else {})})


def _list_multipart_uploads(s3: S3, request: S3Request, now: Callable[[], float]) -> Reply:
    s3.objects(request.bucket)
    prefix = request.query.get("prefix", "")
    uploads = [
        {"Key": upload.key, "UploadId": upload_id, "Initiated": _moment(upload.begun)}
        for upload_id, upload in s3.uploads.items()
        if upload.key.startswith(prefix)
    ]
    about = {"Bucket": request.bucket, "IsTruncated": False}
    return Reply({**about, **({"Uploads": uploads} if uploads else {})})


def _about(found: StoredObject) -> dict[str, Any]:
    return {
        "ETag": found.etag,
        "LastModified": _moment(found.modified),
        "ContentType": found.content_type,
        "Metadata": dict(found.metadata),
    }


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(int(seconds), timezone.utc)


def _last(key: str) -> str:
    return key.rpartition("/")[2]


_HANDLERS: dict[str, Callable[[S3, S3Request, Callable[[], float]], Reply]] = {
    "CreateBucket": _create_bucket,
    "HeadBucket": _head_bucket,
    "PutObject": _put_object,
    "GetObject": _get_object,
    "HeadObject": _head_object,
    "DeleteObject": _delete_object,
    "CopyObject": _copy_object,
    "CreateMultipartUpload": _create_multipart_upload,
    "UploadPart": _upload_part,
    "CompleteMultipartUpload": _complete_multipart_upload,
    "AbortMultipartUpload": _abort_multipart_upload,
    "ListObjectsV2": _list_objects,
    "ListMultipartUploads": _list_multipart_uploads,
}
