"""S3's objects and unfinished uploads in memory, with conditional writes and copies."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tests.support.deterministic_aws.answers import AwsError

#: Called after each change with key, former object and new object.
OnChange = Callable[[str, "StoredObject | None", "StoredObject | None"], None]


@dataclass(frozen=True)
class StoredObject:
    """An object as it is kept."""

    body: bytes
    metadata: Mapping[str, str]
    content_type: str
    modified: float
    etag: str

    @classmethod
    def of(cls, body: bytes, metadata: Mapping[str, str], content_type: str, now: float) -> StoredObject:
        """An object that was put in one request."""
        return cls(body, dict(metadata), content_type, now, f'"{hashlib.md5(body).hexdigest()}"')  # noqa: S324


@dataclass
class Upload:
    """A multipart upload that is not complete."""

    key: str
    metadata: Mapping[str, str]
    content_type: str
    begun: float
    parts: dict[int, bytes] = field(default_factory=dict)


class S3:
    """Buckets of objects.

    :ivar hides_missing: the identity may not list the bucket, so a missing key is answered with 403.
    """

    def __init__(self, on_change: OnChange, now: Callable[[], float]) -> None:
        self.buckets: dict[str, dict[str, StoredObject]] = {}
        self.uploads: dict[str, Upload] = {}
        self.hides_missing = False
        self._on_change, self._now = on_change, now
        self._begun = 0

    def objects(self, bucket: str) -> dict[str, StoredObject]:
        """The objects of a bucket.

        :raises AwsError: there is no such bucket.
        """
        if bucket not in self.buckets:
            raise AwsError("NoSuchBucket", "The specified bucket does not exist", status=404, BucketName=bucket)
        return self.buckets[bucket]

    def find(self, bucket: str, key: str) -> StoredObject:
        """The object of this key.

        :raises AwsError: there is none.
        """
        found = self.objects(bucket).get(key)
        if found is None:
            if self.hides_missing:
                raise AwsError("AccessDenied", "Access Denied", status=403)
            raise AwsError("NoSuchKey", "The specified key does not exist.", status=404, Key=key)
        return found

    def put(self, bucket: str, key: str, stored: StoredObject, *, conditions: Mapping[str, str]) -> StoredObject:
        """Put an object under the conditions of the request's headers (names in lower case)."""
        former = self.objects(bucket).get(key)
        if conditions.get("if-none-match") == "*" and former is not None:
            raise _precondition_failed("If-None-Match")
        if "if-match" in conditions:
            if former is None:
                raise AwsError("NoSuchKey", "The specified key does not exist.", status=404, Key=key)
            if former.etag != conditions["if-match"]:
                raise _precondition_failed("If-Match")
        self.buckets[bucket][key] = stored
        self._on_change(key, former, stored)
        return stored

    def delete(self, bucket: str, key: str, *, conditions: Mapping[str, str]) -> None:
        """Delete an object; one that is not there is no error."""
        former = self.objects(bucket).get(key)
        if "if-match" in conditions:
            if former is None:
                raise AwsError("NoSuchKey", "The specified key does not exist.", status=404, Key=key)
            if conditions["if-match"] not in ("*", former.etag):
                raise _precondition_failed("If-Match")
        if former is not None:
            del self.buckets[bucket][key]
            self._on_change(key, former, None)

    def copy(self, source: tuple[str, str], bucket: str, key: str, *, headers: Mapping[str, str]) -> StoredObject:
        """Copy an object under the conditions of the request's headers (names in lower case)."""
        found = self.find(*source)
        wanted = headers.get("x-amz-copy-source-if-match")
        if wanted is not None and wanted != found.etag:
            raise _precondition_failed("x-amz-copy-source-If-Match")
        replaces = headers.get("x-amz-metadata-directive") == "REPLACE"
        if source == (bucket, key) and not replaces:
            raise AwsError("InvalidRequest", "This copy request is illegal: it copies an object to itself unchanged.")
        metadata = user_metadata(headers) if replaces else found.metadata
        content_type = headers.get("content-type", "binary/octet-stream") if replaces else found.content_type
        copied = StoredObject(found.body, metadata, content_type, self._now(), found.etag)
        return self.put(bucket, key, copied, conditions=headers)

    def begin_upload(self, bucket: str, key: str, headers: Mapping[str, str]) -> str:
        """Begin a multipart upload and return its id."""
        self.objects(bucket)
        self._begun += 1
        content_type = headers.get("content-type", "binary/octet-stream")
        self.uploads[f"upload-{self._begun}"] = Upload(key, user_metadata(headers), content_type, self._now())
        return f"upload-{self._begun}"

    def upload(self, upload_id: str) -> Upload:
        """An unfinished upload.

        :raises AwsError: there is none of this id.
        """
        if upload_id not in self.uploads:
            raise AwsError("NoSuchUpload", "The specified upload does not exist.", status=404, UploadId=upload_id)
        return self.uploads[upload_id]

    def complete_upload(
        self, bucket: str, upload_id: str, parts: list[int], headers: Mapping[str, str]
    ) -> StoredObject:
        """Make the object of an upload appear."""
        upload = self.upload(upload_id)
        if any(number not in upload.parts for number in parts):
            raise AwsError("InvalidPart", "One or more of the specified parts could not be found.")
        bodies = [upload.parts[number] for number in parts]
        digest = hashlib.md5(b"".join(hashlib.md5(body).digest() for body in bodies)).hexdigest()  # noqa: S324
        stored = StoredObject(
            b"".join(bodies), upload.metadata, upload.content_type, self._now(), f'"{digest}-{len(parts)}"'
        )
        self.put(bucket, upload.key, stored, conditions=headers)
        del self.uploads[upload_id]
        return stored


def user_metadata(headers: Mapping[str, str]) -> dict[str, str]:
    """The metadata that a request's headers carry."""
    prefix = "x-amz-meta-"
    return {name.removeprefix(prefix): value for name, value in headers.items() if name.startswith(prefix)}


def _precondition_failed(which: str) -> AwsError:
    return AwsError(
        "PreconditionFailed",
        "At least one of the pre-conditions you specified did not hold",
        status=412,
        Condition=which,
    )
