// Command descriptor_dump writes one google.protobuf.FileDescriptorSet from the raw descriptors in Go modules' *.pb.go files.
//
//	go run descriptor_dump.go OUT.binpb DIR...
//
// protoc-gen-go puts the serialized FileDescriptorProto of every file into a constant named *_rawDesc. The Go code is only
// parsed, never compiled, so nothing but the module sources is needed.
package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

func main() {
	if len(os.Args) < 3 {
		fail(fmt.Errorf("usage: descriptor_dump OUT.binpb DIR..."))
	}
	var out bytes.Buffer
	files := 0
	for _, root := range os.Args[2:] {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".pb.go") {
				return err
			}
			parsed, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err != nil {
				return err
			}
			for _, raw := range rawDescriptors(parsed) {
				out.WriteByte(0x0a) // field 1 (file), length-delimited
				out.Write(varint(uint64(len(raw))))
				out.WriteString(raw)
				files++
			}
			return nil
		})
		if err != nil {
			fail(err)
		}
	}
	if err := os.WriteFile(os.Args[1], out.Bytes(), 0o644); err != nil {
		fail(err)
	}
	fmt.Printf("%d files, %d bytes\n", files, out.Len())
}

// rawDescriptors returns the value of every *_rawDesc constant or variable of a file.
func rawDescriptors(file *ast.File) []string {
	var found []string
	for _, declaration := range file.Decls {
		general, ok := declaration.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, spec := range general.Specs {
			value, ok := spec.(*ast.ValueSpec)
			if !ok {
				continue
			}
			for i, name := range value.Names {
				if !strings.HasSuffix(name.Name, "_rawDesc") || i >= len(value.Values) {
					continue
				}
				if raw := literal(value.Values[i]); raw != "" {
					found = append(found, raw)
				}
			}
		}
	}
	return found
}

// literal evaluates a string constant (newer generators) or a byte slice literal (older ones).
func literal(expression ast.Expr) string {
	switch x := expression.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(x.Value)
		if err != nil {
			fail(err)
		}
		return text
	case *ast.BinaryExpr:
		return literal(x.X) + literal(x.Y)
	case *ast.ParenExpr:
		return literal(x.X)
	case *ast.CompositeLit:
		raw := make([]byte, 0, len(x.Elts))
		for _, element := range x.Elts {
			b, err := strconv.ParseUint(element.(*ast.BasicLit).Value, 0, 8)
			if err != nil {
				fail(err)
			}
			raw = append(raw, byte(b))
		}
		return string(raw)
	}
	return ""
}

func varint(n uint64) []byte {
	var b []byte
	for n >= 0x80 {
		b = append(b, byte(n)|0x80)
		n >>= 7
	}
	return append(b, byte(n))
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "descriptor_dump:", err)
	os.Exit(1)
}
