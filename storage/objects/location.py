"""Which S3 bucket the settings name, without loading an S3 client."""

from dataclasses import dataclass, field

from settings import Settings


@dataclass(frozen=True, slots=True)
class S3Location:
    """A bucket and how to reach it. Without keys, boto3 looks for AWS credentials (profile,
    role)."""

    bucket: str
    endpoint: str | None = None
    region: str = "us-east-1"
    access_key: str | None = None
    secret_key: str | None = field(default=None, repr=False)
    path_style: bool = True


def s3_location(chosen: Settings) -> S3Location | None:
    """The bucket to use; None if the settings ask for no S3. Raises ValueError if S3_ENDPOINT is
    set without S3_BUCKET."""
    if chosen.s3_bucket is None and chosen.s3_endpoint is None:
        return None
    if chosen.s3_bucket is None:
        raise ValueError("S3_ENDPOINT is set but S3_BUCKET is not")
    return S3Location(
        bucket=chosen.s3_bucket,
        endpoint=chosen.s3_endpoint,
        region=chosen.s3_region,
        access_key=chosen.s3_access_key,
        secret_key=chosen.s3_secret_key.get_secret_value() if chosen.s3_secret_key else None,
        path_style=chosen.s3_force_path_style,
    )
