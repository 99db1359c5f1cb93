// Package config loads the settings of a program, strictly and from layers.
//
// A program describes its settings as a struct whose exported fields carry
// tags, and fills it with the defaults:
//
//	type Settings struct {
//		DataDir string        `yaml:"data_dir" help:"where the state is kept"`
//		Token   config.Secret `yaml:"token" flag:"token" help:"a join token"`
//		Server  Server        `yaml:"server"`
//	}
//
//	settings := Settings{DataDir: "/var/lib/example"}
//	config.BindFlags(flags, &settings)
//	// … flags.Parse …
//	origins, err := config.Load(&settings, config.Source{
//		Prefix: "EXAMPLE", Environ: os.Environ(), Flags: flags,
//	})
//
// # Tags
//
//   - yaml is the field's key. Every exported field has one; "-" leaves the
//     field out, and ",inline" puts the fields of a struct beside its siblings.
//   - help is the sentence that explains the field.
//   - flag is the name of its flag where the path with dashes will not do; "-"
//     means none. A field of type [Secret] has a flag only where it names one,
//     because what stands on a command line can be read by every user of the
//     machine.
//
// Fields are strings, booleans, integers, finite floats, [time.Duration],
// [Size], [Secret], types that implement [encoding.TextUnmarshaler], lists of
// these, maps from string to string, [Objects], and structs as sections. A struct that
// breaks these rules is a bug in the program, and every function of the
// package panics on it.
//
// # Layers
//
// Each layer stands over the ones before it: the values handed in, the YAML
// file, the environment, the flags. A list or a map is replaced, never merged.
// A field at the path server.log_level is read from the variable
// PREFIX_SERVER_LOG_LEVEL, and where the field names a flag of its own, such as
// log-level, from PREFIX_LOG_LEVEL as well. A secret may also stand in a file
// that PREFIX_SERVER_LOG_LEVEL_FILE names, or in a systemd credential that
// bears its path. A variable that is set to nothing counts as not set.
//
// # Faults
//
// Whatever is wrong, in any layer, is found in one go and returned as [*Faults]
// with the place of each. A struct, or a section in it, says what else its
// values must keep to by implementing [Validator].
//
// The functions of this package share no state and may be called concurrently
// for different structs.
package config
