"""S3's requests as HTTP: what they ask of `S3`, and its answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from tests.support.deterministic_aws.answers import AwsError, answer, s3_error, xml_answer
from tests.support.deterministic_aws.s3 import S3, StoredObject, user_metadata

if TYPE_CHECKING:
    from botocore.awsrequest import AWSResponse

_NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


@dataclass(frozen=True)
class S3Request:
    """A request with its parts taken apart.

    :ivar headers: names in lower case.
    """

    operation: str
    bucket: str
    key: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @classmethod
    def of(cls, operation: str, request: Any) -> S3Request:
        """From a request that botocore has prepared, with the bucket in its path."""
        url = urlsplit(request.url)
        bucket, _, key = url.path.lstrip("/").partition("/")
        query = {name: values[0] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
        body = request.body or b""
        if hasattr(body, "read"):
            body.seek(0)
            body = body.read()
        headers = {name.lower(): _text(value) for name, value in request.headers.items()}
        return cls(operation, unquote(bucket), unquote(key), query, headers, bytes(body))


def respond(s3: S3, request: S3Request, now: Callable[[], float]) -> AWSResponse:
    """S3's answer."""
    handler = _HANDLERS.get(request.operation)
    if handler is None:
        raise NotImplementedError(f"S3's {request.operation} is not simulated")
    try:
        return handler(s3, request, now)
    except AwsError as error:
        return s3_error(error, head=request.operation in ("HeadObject", "HeadBucket"))


def _create_bucket(s3: S3, request: S3Request, now: Callable[[], float]) -> AWSResponse:
    s3.buckets.setdefault(request.bucket, {})
    return answer(200, b"", Location=f"/{request.bucket}")


def _head_bucket(s3: S3, request: S3Request, now: Callable[[], float]) -> AWSResponse:
    s3.objects(request.bucket)
    return answer(200, b"")


def _put_object(s3: S3, request: S3Request, now: Callable[[], float]) -> AWSResponse:
    content_type = request.headers.get("content-type", "binary/octet-stream")
    stored = StoredObject.of(request.body, user_metadata(request.headers), content_type, now())
    s3.put(request.bucket, request.key, stored, conditions=request.headers)
    return answer(200, b"", ETag=stored.etag)


def _get_object(s3: S3, request: S3Request, now: Callable[[], float]) -> AWSResponse:
    found = s3.find(request.bucket, request.key)
    if "if-match" in request.headers and request.headers["if-match"] != found.etag:
        raise AwsError("PreconditionFailed", "At least one of the pre-conditions did not hold", status=412)
    wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", ""))
    if wanted is None:
        return answer(200, found.body, **_about(found))
    first, size = int(wanted[1]), len(found.body)
    if first >= size:
        raise AwsError("InvalidRange", "The requested range is not satisfiable", status=416)
    last = min(int(wanted[2] or size - 1), size - 1)
    headers = {"Content-Range": f"bytes {first}-{last}/{size}"}
    return answer(206, found.body[first : last + 1], **headers, **_about(found))


def _head_object(s3: S3, request: S3Request, now: Callable[[], float]) -> AWSResponse:
    found = s3.find(request.bucket, request.key)
    return answer(200, b"", **{**_about(found), "Content-Length": str(len(found.body))})


def _delete_object(s3: S3, request: S3Request, now: Callable[[], float]) -> AWSResponse:
    s3.delete(request.bucket, request.key, conditions=request.headers)
    return answer(204, b"")


def _copy_object(s3: S3, request: S3Request, now: Callable[[], float]) -> AWSResponse:
    bucket, _, key = unquote(request.headers["x-amz-copy-source"]).lstrip("/").partition("/")
    copied = s3.copy((bucket, key), request.bucket, request.key, headers=request.headers)
    return xml_answer(
        f"<CopyObjectResult {_NAMESPACE}><ETag>{escape(copied.etag)}</ETag>"
        f"<LastModified>{_iso(copied.modified)}</LastModified></CopyObjectResult>"
    )


def _create_multipart_upload(s3: S3, request: S3Request, now: Callable[[], float]) -> AWSResponse:
    upload_id = s3.begin_upload(request.bucket, request.key, request.headers)
    return xml_answer(
        f"<InitiateMultipartUploadResult {_NAMESPACE}><Bucket>{request.bucket}</Bucket><Key>{escape(request.key)}</Key>"
        f"<UploadId>{upload_id}</UploadId></InitiateMultipartUploadResult>"
    )


def _upload_part(s3: S3, request: S3Request, now: Callable[[], float]) -> AWSResponse:
    s3.upload(request.query["uploadId"]).parts[int(request.query["partNumber"])] = request.body
    return answer(200, b"", ETag=StoredObject.of(request.body, {}, "", 0.0).etag)


def _complete_multipart_upload(s3: S3, request: S3Request, now: Callable[[], float]) -> AWSResponse:
    document = ET.fromstring(request.body)  # noqa: S314 - our own client has written it
    numbers = [int(part.text or "") for part in document.iter() if part.tag.endswith("PartNumber")]
    stored = s3.complete_upload(request.bucket, request.query["uploadId"], numbers, request.headers)
    return xml_answer(
        f"<CompleteMultipartUploadResult {_NAMESPACE}><Bucket>{request.bucket}</Bucket>"
        f"<Key>{escape(request.key)}</Key><ETag>{escape(stored.etag)}</ETag></CompleteMultipartUploadResult>"
    )


def _abort_multipart_upload(s3: S3, request: S3Request, now: Callable[[], float]) -> AWSResponse:
    s3.upload(request.query["uploadId"])
    del s3.uploads[request.query["uploadId"]]
    return answer(204, b"")


def _list_objects(s3: S3, request: S3Request, now: Callable[[], float]) -> AWSResponse:
    prefix = request.query.get("prefix", "")
    after = request.query.get("start-after", "")
    if s3.hides_missing:
        raise AwsError("AccessDenied", "Access Denied", status=403)
    objects = s3.objects(request.bucket)
    keys = sorted(key for key in objects if key.startswith(prefix) and key > after)
    contents = "".join(
        f"<Contents><Key>{escape(key)}</Key><LastModified>{_iso(objects[key].modified)}</LastModified>"
        f"<ETag>{escape(objects[key].etag)}</ETag><Size>{len(objects[key].body)}</Size></Contents>"
        for key in keys
    )
    return xml_answer(
        f"<ListBucketResult {_NAMESPACE}><Name>{request.bucket}</Name><Prefix>{escape(prefix)}</Prefix>"
        f"<KeyCount>{len(keys)}</KeyCount><IsTruncated>false</IsTruncated>{contents}</ListBucketResult>"
    )


def _list_multipart_uploads(s3: S3, request: S3Request, now: Callable[[], float]) -> AWSResponse:
    s3.objects(request.bucket)
    prefix = request.query.get("prefix", "")
    uploads = "".join(
        f"<Upload><Key>{escape(upload.key)}</Key><UploadId>{upload_id}</UploadId>"
        f"<Initiated>{_iso(upload.begun)}</Initiated></Upload>"
        for upload_id, upload in s3.uploads.items()
        if upload.key.startswith(prefix)
    )
    return xml_answer(
        f"<ListMultipartUploadsResult {_NAMESPACE}><Bucket>{request.bucket}</Bucket>"
        f"<IsTruncated>false</IsTruncated>{uploads}</ListMultipartUploadsResult>"
    )


def _about(found: StoredObject) -> dict[str, str]:
    modified = format_datetime(datetime.fromtimestamp(int(found.modified), timezone.utc), usegmt=True)
    metadata = {f"x-amz-meta-{name}": value for name, value in found.metadata.items()}
    return {"ETag": found.etag, "Last-Modified": modified, "Content-Type": found.content_type, **metadata}


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


_HANDLERS: dict[str, Callable[[S3, S3Request, Callable[[], float]], AWSResponse]] = {
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
