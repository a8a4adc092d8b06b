// What a program in a pod does with nothing but its ServiceAccount's token: pushes and pulls by OCI, puts and gets by S3.
package main

import (
	"bytes"
	"context"
	"io"
	"log"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content/memory"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
)

var ctx = context.Background()

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func token() string {
	token, err := os.ReadFile(os.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE"))
	check(err)
	return strings.TrimSpace(string(token))
}

func repository() *remote.Repository {
	repository, err := remote.NewRepository(os.Getenv("REPOSITORY"))
	check(err)
	repository.PlainHTTP = true
	credential := auth.Credential{Username: "serviceaccount", Password: token()}
	repository.Client = &auth.Client{Credential: auth.StaticCredential(repository.Reference.Registry, credential)}
	return repository
}

func underOci() {
	source := memory.New()
	layer, err := oras.PushBytes(ctx, source, "text/plain", []byte("from a pod"))
	check(err)
	options := oras.PackManifestOptions{Layers: []ocispec.Descriptor{layer}}
	manifest, err := oras.PackManifest(ctx, source, oras.PackManifestVersion1_1, "application/vnd.example.note", options)
	check(err)
	check(source.Tag(ctx, manifest, "v1"))
	_, err = oras.Copy(ctx, source, "v1", repository(), "v1", oras.DefaultCopyOptions)
	check(err)
	back := memory.New()
	pulled, err := oras.Copy(ctx, repository(), "v1", back, "v1", oras.DefaultCopyOptions)
	check(err)
	if pulled.Digest != manifest.Digest {
		log.Fatal("another manifest came back")
	}
	log.Print("OCI: ", pulled.Digest)
}

func underS3() {
	settings, err := config.LoadDefaultConfig(ctx)
	check(err)
	client := s3.NewFromConfig(settings, func(options *s3.Options) { options.UsePathStyle = true })
	bucket, key := aws.String(os.Getenv("BUCKET")), aws.String("note.txt")
	_, err = client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket})
	check(err)
	body := []byte("from a pod")
	_, err = client.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: key, Body: bytes.NewReader(body)})
	check(err)
	object, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: key})
	check(err)
	found, err := io.ReadAll(object.Body)
	check(err)
	if !bytes.Equal(found, body) {
		log.Fatal("other bytes came back")
	}
	log.Print("S3: ", *object.ETag)
}

func main() {
	underOci()
	underS3()
}
