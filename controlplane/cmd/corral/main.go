// Corral is the operators' command line: it shows a fleet and steers it,
// through its control plane's API.
package main

import "os"

// version is set when a release is linked.
var version = "dev"

func main() { os.Exit(run()) }
