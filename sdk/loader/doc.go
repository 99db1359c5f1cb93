// Package loader is what turns files into a model. A loader looks at files, says what
// they are, and plans: the plan is a [Recipe], which somebody else carries out. A loader
// reaches nothing and changes nothing, so that one can be run on anybody's files.
package loader
