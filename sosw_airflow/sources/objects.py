"""An object in S3 as a file: read in ranges, of one version, with little in memory."""

from __future__ import annotations

import io
from typing import Any

from botocore.exceptions import ClientError

from sosw_airflow.exceptions import MissingSource, SourceChanged
from sosw_airflow.sources.reading import Reading
from sosw_airflow.stores.aws_errors import Argument, error_code, explain_faults
from sosw_airflow.stores.object_head import head_object
from sosw_airflow.stores.object_ranges import read_range
from sosw_airflow.stores.s3_url import s3_url, split_s3_url

__all__ = ["SETTING", "SourceObject"]

#: Bytes of one request.
_PART = 4 * 1024 * 1024

#: The argument of a source that names the bucket.
SETTING = Argument("url")


class SourceObject(io.RawIOBase):
    """The object of one moment: each request is conditional on the ETag of the first one.

    :param version_id: to read an older version of it.
    :ivar size: bytes.  :ivar etag: and ``version_id``: what identifies the content.
    :raises MissingSource: it does not exist.
    :raises SoswError: S3 refuses.
    """

    def __init__(self, s3: Any, url: str, reading: Reading, *, version_id: str | None = None) -> None:
        super().__init__()
        self._s3, self._reading = s3, reading
        self.url = url
        self._bucket, self._key = split_s3_url(url)
        head = head_object(s3, self._bucket, self._key, setting=SETTING, version_id=version_id)
        if head.denied:
            raise head.denied
        if not head.exists:
            raise MissingSource(url, place=reading.place)
        self.size, self.etag = head.size, head.etag
        self.version_id = version_id or head.version_id
        self._version: dict[str, Any] = {"VersionId": version_id} if version_id else {}
        self._position = self._part_start = 0
        self._part = b""

    @classmethod
    def of(cls, reading: Reading) -> SourceObject:
        """The object that a source names, whose version is noted."""
        source = reading.source
        s3 = reading.access.s3(source.get("aws_conn_id"))
        made = cls(s3, source.settings["url"], reading, version_id=source.get("version_id"))
        reading.version["etag"] = (made.etag or "").strip('"')
        if made.version_id:
            reading.version["version_id"] = made.version_id
        return made

    def beside(self, key: str, *, bucket: str | None = None) -> SourceObject:
        """Another object with the same client."""
        return SourceObject(self._s3, s3_url(bucket or self._bucket, key), self._reading)

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is, for formats that are read from their end."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Change the position."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Read some bytes, none at the end.

        :raises SourceChanged: the object is another one now, or none.
        """
        if self._position >= self.size:
            return 0
        offset = self._position - self._part_start
        if not 0 <= offset < len(self._part):
            self._reading.check()
            self._part, self._part_start = self._range(), self._position
            offset = 0
        data = self._part[offset : offset + len(buffer)]
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def _range(self) -> bytes:
        changed = SourceChanged(self.url, place=self._reading.place)
        with explain_faults(action="s3:GetObject", resource=self._bucket, setting=SETTING, bucket=True, key=self._key):
            try:
                data, size = read_range(
                    self._s3,
                    self._position,
                    _PART,
                    Bucket=self._bucket,
                    Key=self._key,
                    IfMatch=self.etag,
                    **self._version,
                )
            except ClientError as error:
                if error_code(error) in ("PreconditionFailed", "412", "NoSuchKey", "InvalidRange"):
                    raise changed from None
                raise
        if size != self.size or not data:
            raise changed
        return data
