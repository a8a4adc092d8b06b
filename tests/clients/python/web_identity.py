"""boto3 in a pod: nothing is configured but what the platform puts into the environment, no key and no secret.

Environment: AWS_ROLE_ARN, AWS_WEB_IDENTITY_TOKEN_FILE, AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL_STS, AWS_DEFAULT_REGION; BUCKET,
and SUBJECT, whom the store should take us for.
"""
import os
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

BUCKET = os.environ["BUCKET"]
identity = boto3.client("sts").get_caller_identity()
assert identity["UserId"] == os.environ["SUBJECT"], identity

# without a version named, URLs are presigned by SigV2 in this region
s3 = boto3.client("s3", config=Config(signature_version="s3v4"))
s3.create_bucket(Bucket=BUCKET)
s3.put_object(Bucket=BUCKET, Key="dir/a key", Body=b"from a pod")
assert s3.get_object(Bucket=BUCKET, Key="dir/a key")["Body"].read() == b"from a pod"
url = s3.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "dir/a key"})
assert urllib.request.urlopen(url).read() == b"from a pod"
try:
    s3.put_object(Bucket="others", Key="x", Body=b"")
except ClientError as error:
    assert error.response["Error"]["Code"] == "AccessDenied", error
else:
    raise AssertionError("others' bucket was written to")
