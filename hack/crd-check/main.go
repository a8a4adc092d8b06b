// crd-check DEFINITION FILE...: what an API server would say, without one.
//
// The CustomResourceDefinition is validated unfiltered, as when it is created. Then each resource of its kind in the files
// (YAML, "-" is the standard input) is read strictly, defaulted, and validated by schema, list types and CEL rules. A second
// resource of the same name in one file is an update of the first one. For each file a line of JSON is printed:
//
//	{"file": "a.yaml", "refused": ["spec.replicas: Invalid value: ..."], "stored": [{...}]}
//
// It exits with 1 if anything was refused, with 2 if it could not be read.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/install"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apiextensions-apiserver/pkg/registry/customresource"
	"k8s.io/apiextensions-apiserver/pkg/registry/customresourcedefinition"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	runtimeschema "k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apimachinery/pkg/util/yaml"
	kyaml "sigs.k8s.io/yaml"
)

func main() {
	if len(os.Args) < 2 || strings.HasPrefix(os.Args[1], "-h") || os.Args[1] == "--help" {
		fmt.Fprintln(os.Stderr, "usage: crd-check DEFINITION FILE...")
		os.Exit(2)
	}
	refused, err := run(os.Args[1], os.Args[2:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "crd-check:", err)
		os.Exit(2)
	}
	if refused {
		os.Exit(1)
	}
}

type verdict struct {
	File    string           `json:"file"`
	Refused []string         `json:"refused"`
	Stored  []map[string]any `json:"stored"`
}

func (v verdict) print() error { return json.NewEncoder(os.Stdout).Encode(v) }

func run(path string, files []string) (bool, error) {
	definition, errs, err := readDefinition(path)
	if err != nil {
		return false, fmt.Errorf("%s: %w", path, err)
	}
	if len(errs) > 0 {
		return true, verdict{File: path, Refused: words(errs), Stored: []map[string]any{}}.print()
	}
	versions, err := versionsOf(definition)
	if err != nil {
		return false, fmt.Errorf("%s: %w", path, err)
	}
	refused := false
	for _, file := range files {
		said, err := check(versions, file)
		if err != nil {
			return false, fmt.Errorf("%s: %w", file, err)
		}
		refused = refused || len(said.Refused) > 0
		if err := said.print(); err != nil {
			return false, err
		}
	}
	return refused, nil
}

func words(errs field.ErrorList) []string {
	all := []string{}
	for _, err := range errs {
		all = append(all, err.Error())
	}
	return all
}

// readDefinition reads and validates one as the API server does when it is created.
func readDefinition(path string) (*apiextensions.CustomResourceDefinition, field.ErrorList, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	external := &apiextensionsv1.CustomResourceDefinition{}
	if err := kyaml.UnmarshalStrict(text, external); err != nil {
		return nil, nil, err
	}
	scheme := runtime.NewScheme()
	install.Install(scheme)
	scheme.Default(external)
	internal := &apiextensions.CustomResourceDefinition{}
	if err := scheme.Convert(external, internal, nil); err != nil {
		return nil, nil, err
	}
	strategy := customresourcedefinition.NewStrategy(scheme)
	ctx := context.Background()
	strategy.PrepareForCreate(ctx, internal)
	return internal, strategy.Validate(ctx, internal), nil
}

type strategy interface {
	Validate(ctx context.Context, obj runtime.Object) field.ErrorList
	ValidateUpdate(ctx context.Context, obj, old runtime.Object) field.ErrorList
}

type version struct {
	structural *schema.Structural
	strategy   strategy
}

// versionsOf has what resources of each served version are held to.
func versionsOf(definition *apiextensions.CustomResourceDefinition) (map[runtimeschema.GroupVersionKind]version, error) {
	found := map[runtimeschema.GroupVersionKind]version{}
	for _, served := range definition.Spec.Versions {
		props, err := apiextensions.GetSchemaForVersion(definition, served.Name)
		if err != nil {
			return nil, err
		}
		structural, err := schema.NewStructural(props.OpenAPIV3Schema)
		if err != nil {
			return nil, err
		}
		validator, _, err := validation.NewSchemaValidator(props.OpenAPIV3Schema)
		if err != nil {
			return nil, err
		}
		kind := runtimeschema.GroupVersionKind{Group: definition.Spec.Group, Version: served.Name, Kind: definition.Spec.Names.Kind}
		namespaced := definition.Spec.Scope == apiextensions.NamespaceScoped
		found[kind] = version{
			structural: structural,
			strategy:   customresource.NewStrategy(nil, namespaced, kind, validator, nil, structural, nil, nil, nil),
		}
	}
	return found, nil
}

func check(versions map[runtimeschema.GroupVersionKind]version, file string) (verdict, error) {
	said := verdict{File: file, Refused: []string{}, Stored: []map[string]any{}}
	text, err := read(file)
	if err != nil {
		return said, err
	}
	before := map[string]*unstructured.Unstructured{}
	documents := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return said, nil
		} else if err != nil {
			return said, err
		}
		resource := &unstructured.Unstructured{}
		// numbers as the API server reads them
		if err := unmarshal(document, &resource.Object); err != nil {
			return said, err
		}
		held, ours := versions[resource.GroupVersionKind()]
		if !ours {
			continue
		}
		refused := held.refused(resource, before[resource.GetName()])
		said.Refused = append(said.Refused, refused...)
		if len(refused) == 0 {
			before[resource.GetName()] = resource
			said.Stored = append(said.Stored, resource.Object)
		}
	}
}

func unmarshal(document []byte, into *map[string]any) error {
	text, err := kyaml.YAMLToJSONStrict(document)
	if err != nil {
		return err
	}
	return utiljson.Unmarshal(text, into)
}

func read(file string) ([]byte, error) {
	if file == "-" {
		return io.ReadAll(os.Stdin)
	}
	return os.ReadFile(file)
}

// refused fills the resource's defaults in and returns what is against it.
func (held version) refused(resource, before *unstructured.Unstructured) []string {
	refused := []string{}
	options := schema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true}
	for _, path := range pruning.PruneWithOptions(resource.Object, held.structural, true, options) {
		refused = append(refused, fmt.Sprintf("unknown field %q", path))
	}
	defaulting.Default(resource.Object, held.structural)
	if resource.GetNamespace() == "" {
		resource.SetNamespace("default")
	}
	resource.SetGeneration(1)
	ctx := context.Background()
	if before == nil {
		resource.SetUID(types.UID("0"))
		return append(refused, words(held.strategy.Validate(ctx, resource))...)
	}
	resource.SetUID(before.GetUID())
	resource.SetResourceVersion("1")
	return append(refused, words(held.strategy.ValidateUpdate(ctx, resource, before))...)
}
